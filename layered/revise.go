package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// SetNewer is Set that leaves what is there if that has a Revision which is not zero
// and not below that of e: then it returns false. So several writers of a key end
// with the newest value, in whatever order they come. See [store.Reviser] for what it
// does not know. An L2 that is none is an error that is errors.ErrUnsupported.
func (s *Store[T]) SetNewer(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	if e, err = s.given("set newer", key, e); err != nil {
		return false, err
	}
	before := s.pending.last()
	err = s.write(ctx, "set newer", []string{key}, func() (err error) {
		if s.hasL2 {
			kept, err = store.SetNewer(ctx, s.l2, key, e)
		} else {
			kept, err = s.setNewerL1(ctx, key, e)
		}
		return err
	})
	if kept && err == nil {
		s.pending.forget([]string{key}, before)
	}
	return kept && err == nil, err
}

// setNewerL1 does it where there is no L2. Nobody else writes to L1 meanwhile: all
// do under the guard.
func (s *Store[T]) setNewerL1(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	e = s.forL1(mark{copies: noEpoch}, e)
	e.Stamp = s.opts.Tags.now()
	s.guard.move(key, func() {
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
