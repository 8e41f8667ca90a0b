package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// SetNewer is Set that keeps an existing entry if its Revision is not zero and not below that
// of e: then it returns false. Several writers of a key thus end with the newest value, in
// any order. See [store.Reviser] for its limits. An L2 that is no Reviser is an error that is
// errors.ErrUnsupported.
func (s *Store[T]) SetNewer(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	if e, err = s.given("set newer", key, e); err != nil {
		return false, err
	}
	before := s.retryQueue.Last()
	err = s.write(ctx, "set newer", []string{key}, func() (err error) {
		if s.hasL2 {
			kept, err = store.SetNewer(ctx, s.l2, key, e)
		} else {
			kept, err = s.setNewerL1(ctx, key, e)
		}
		return err
	})
	if kept && err == nil {
		s.retryQueue.Forget([]string{key}, before)
	}
	return kept && err == nil, err
}

// setNewerL1 is SetNewer without an L2. No other caller writes to L1 meanwhile: all hold the
// fence.
func (s *Store[T]) setNewerL1(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	e = s.forL1(token{epoch: noEpoch}, e)
	e.Stamp = s.opts.Tags.now()
	s.fence.Invalidate(key, func() {
		old, miss := s.l1.Get(ctx, key)
		if miss == nil || old.Absent { // no read
			s.count.l1Stale.Add(1)
		}
		found := (miss == nil || old.Absent) && s.current(&old)
		if found && old.Supersedes(&e) && !e.Expired(store.Now()) {
			return
		}
		kept, err = true, s.l1.Set(ctx, key, e)
	})
	return kept, err
}
