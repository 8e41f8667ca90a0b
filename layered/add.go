package layered

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/store"
)

// errThere is why an entry was not added. It is a refusal, so that the write counts as one
// that has changed nothing.
var errThere = fmt.Errorf("%w: there is a value", store.ErrRefused)

// SetIfAbsent is Set that keeps an existing value, fresh or stale: then it returns false. An
// entry that is absent at the source is no value. Of concurrent calls in all processes one
// returns true. A call that fails is not retried, and no key is deleted because of it; the
// value may have been set all the same. An L2 that is no store.Reviser is an error that is
// errors.ErrUnsupported.
func (s *Store[T]) SetIfAbsent(ctx context.Context, key string, e store.Entry[T]) (set bool, err error) {
	if e, err = s.given(opSetIfAbsent, key, e); err != nil {
		return false, err
	}
	err = s.write(ctx, opSetIfAbsent, []string{key}, func() (err error) {
		if s.hasL2 {
			set, err = store.SetIfAbsent(ctx, s.l2, key, e)
		} else {
			set, err = s.setIfAbsentL1(ctx, key, e)
		}
		if err == nil && !set {
			return errThere
		}
		return err
	})
	if errors.Is(err, errThere) {
		err = nil
	}
	return set, err
}

// setIfAbsentL1 is SetIfAbsent without an L2. No other caller writes to L1 meanwhile: all
// hold the fence.
func (s *Store[T]) setIfAbsentL1(ctx context.Context, key string, e store.Entry[T]) (set bool, err error) {
	e = s.forL1(token{epoch: noEpoch}, e)
	e.Stamp = s.opts.Tags.now()
	s.fence.Invalidate(key, func() {
		old, miss := s.l1.Get(ctx, key)
		if miss == nil || old.Absent { // no read
			s.count.l1Stale.Add(1)
		}
		if miss == nil && s.current(&old) {
			return
		}
		set, err = true, s.l1.Set(ctx, key, e)
	})
	return set && err == nil, err
}

// Count returns a counter in L2, or in L1 without an L2. If there is none, the error is
// store.ErrNotFound.
func (s *Store[T]) Count(ctx context.Context, key string) (int64, error) {
	if s.closed.Load() {
		return 0, s.errClosed("count", key)
	}
	n, err := store.Count(ctx, s.lower(), key)
	return n, s.named(err)
}
