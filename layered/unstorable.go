package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// unstorable reports whether err, of a write of L2 or L1, is about the value and not about
// the tier: writing it again would fail again, and there is nothing to wait for.
func unstorable(err error) bool {
	return errors.Is(err, store.ErrUnstorable) || errors.Is(err, store.ErrTooLarge)
}

// failedFill counts a fill of L2 that failed with err.
func (s *Store[T]) failedFill(err error) {
	if unstorable(err) {
		s.count.unstorable.Add(1)
	} else {
		s.count.l2Errors.Add(1)
	}
}

// putL1 keeps e in L1. What L1 cannot keep is not there afterwards, and neither is what
// was there before: it is read from L2 again.
func (s *Store[T]) putL1(key string, e store.Entry[T]) {
	ctx := context.Background()
	err := s.l1.Set(ctx, key, e)
	if err == nil {
		return
	}
	_ = s.l1.Delete(ctx, key) // in memory
	if !s.hasL2 && unstorable(err) {
		s.count.unstorable.Add(1)
		_, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: "fill", Key: key, Keys: 1})
		end(0, s.named(err))
	}
}
