package memstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// A lease is the right to load the entry under its key, or says why it is not given.
type lease struct {
	id    uint64 // 0: it is a back-off
	until time.Time
	stamp uint64 // of the clock, when it was given
	why   string // of a back-off

	// shared says that it is given to all callers, because the last value could not be
	// stored.
	shared bool
}

// mostUnstorable is how long at most it is known that a value could not be stored.
const mostUnstorable = time.Hour

// Lease implements [store.Leaser].
func (s *Shared[T]) Lease(_ context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	if err := s.begin("lease", key); err != nil {
		return store.Grant{}, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	it, ok := s.entry(key)
	g := store.Grant{Stamp: s.clock, Version: it.Version}
	if ok && it.Version != not && !it.Stale(store.Now()) {
		g.State, g.Left = store.Fresh, it.ExpiresAt.Until()
		return g, nil
	}
	if l, given := s.leaseOn(key); given {
		g.Left = l.until.Sub(now)
		switch {
		case l.shared:
			g.State, g.Lease = store.Granted, l.id
			return g, nil
		case l.id == 0:
			g.State, g.Why = store.BackedOff, l.why
			return g, nil
		case l.id != not:
			g.State, g.Holder, g.Overtaken = store.Taken, l.id, l.stamp < s.clock
			return g, nil
		}
	}
	g.State, g.Lease, g.Left = store.Granted, s.newID(), d
	if _, _, ended := s.holdOn(key); ended {
		delete(s.holds, key)
		if ok { // a refresh of it that began under the hold is too old
			it.Version = s.newID()
			s.items[key] = it
		}
	}
	s.leases[key] = lease{id: g.Lease, until: now.Add(d), stamp: s.clock}
	return g, nil
}

// leaseOn returns what there is of the lease of key: it, or a back-off. A back-off without
// a reason counts while there is an entry to answer with. The data is locked.
func (s *Store[T]) leaseOn(key string) (lease, bool) {
	l, ok := s.leases[key]
	if !ok || !time.Now().Before(l.until) {
		return lease{}, false
	}
	if l.id == 0 && l.why == "" {
		_, ok = s.entry(key)
	}
	return l, ok
}

// leaseOf returns the lease of key if it is still valid and of this id.
func (s *Store[T]) leaseOf(key string, id uint64) (lease, bool) {
	l, ok := s.leaseOn(key)
	return l, ok && id != 0 && l.id == id
}

// LeaseMany implements [store.Leaser].
func (s *Shared[T]) LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	grants, failed := make([]store.Grant, len(keys)), make(map[string]error)
	for i, key := range keys {
		var err error
		if grants[i], err = s.Lease(ctx, key, d, not[i]); err != nil {
			failed[key] = err
		}
	}
	return grants, store.NewManyError(failed)
}

// FillLeased implements [store.Leaser]. A value that cannot be stored, see [Shared.Limit], is
// noted unless there is a hold.
func (s *Shared[T]) FillLeased(_ context.Context, key string, id uint64, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	if err := s.begin("fill", key); err != nil {
		return store.Entry[T]{}, false, err
	}
	l, ok := s.leaseOf(key, id)
	if !ok {
		s.mu.Unlock()
		return store.Entry[T]{}, false, store.ErrLeaseLost
	}
	if err := s.check(key, &e); err != nil {
		kept, changed := s.noteUnstorable(key, l, e)
		s.mu.Unlock()
		if changed {
			s.notify(s.Store, key)
		}
		return kept, kept.Version != 0, failure("fill", key, err)
	}
	if _, _, ended := s.holdOn(key); ended || !s.current(s.tags, e.Tags, e.Stamp) {
		delete(s.leases, key) // nothing else may be filled under it
		err = store.ErrLeaseLost
	} else {
		e.Version = 0 // it is a new one
		kept, watched = s.write(key, e)
	}
	s.mu.Unlock()
	s.notify(s.Store, key)
	return kept, watched, err
}

// noteUnstorable removes what is under key and gives its lease to all callers, unless there
// is a hold. The entry that is returned has the lease as its version then.
func (s *Store[T]) noteUnstorable(key string, l lease, e store.Entry[T]) (kept store.Entry[T], changed bool) {
	if _, ok := s.holds[key]; ok {
		return store.Entry[T]{}, false
	}
	if !l.shared {
		life := mostUnstorable
		if e.ExpiresAt != 0 {
			life = min(life, e.ExpiresAt.Until())
		}
		delete(s.items, key)
		s.leases[key] = lease{id: l.id, until: time.Now().Add(life), stamp: l.stamp, shared: true}
	}
	e.Version = l.id
	return e, !l.shared
}

// FillManyLeased implements [store.Leaser].
func (s *Shared[T]) FillManyLeased(ctx context.Context, fills []store.LeasedFill[T]) []store.Filled[T] {
	filled := make([]store.Filled[T], len(fills))
	for i, x := range fills {
		f := &filled[i]
		f.Entry, f.Watched, f.Err = s.FillLeased(ctx, x.Key, x.Lease, x.Entry)
	}
	return filled
}

// Renew implements [store.Leaser].
func (s *Shared[T]) Renew(_ context.Context, key string, id uint64, d time.Duration) error {
	if err := s.begin("renew", key); err != nil {
		return err
	}
	defer s.mu.Unlock()
	l, ok := s.leaseOf(key, id)
	if !ok {
		return store.ErrLeaseLost
	}
	if !l.shared {
		l.until = time.Now().Add(d)
		s.leases[key] = l
	}
	return nil
}

// Release implements [store.Leaser].
func (s *Shared[T]) Release(_ context.Context, key string, id uint64, backOff time.Duration, why string) error {
	if err := s.begin("release", key); err != nil {
		return err
	}
	l, ok := s.leaseOf(key, id)
	switch {
	case !ok:
		s.mu.Unlock()
		return store.ErrLeaseLost
	case l.shared:
		s.mu.Unlock()
		return nil
	case backOff > 0:
		s.leases[key] = lease{until: time.Now().Add(backOff), why: why}
	default:
		delete(s.leases, key)
	}
	s.mu.Unlock()
	s.notifyAll(s.Store, store.Invalidation{Keys: []string{key}, Released: true})
	return nil
}

// Revalidate implements [store.Filler].
func (s *Store[T]) Revalidate(_ context.Context, key string, e store.Entry[T]) (store.Entry[T], error) {
	if err := s.begin("revalidate", key); err != nil {
		return store.Entry[T]{}, err
	}
	defer s.mu.Unlock()
	it, ok := s.entry(key)
	l, given := s.leaseOf(key, e.Version)
	switch {
	case ok && e.Version != 0 && it.Version == e.Version && s.current(s.tags, e.Tags, e.Stamp):
		e.ExpiresAt, e.StaleAt = it.ExpiresAt, it.StaleAt
		return e, nil
	case given && l.shared: // e is in the memory of the caller alone, with its own times
		return e, nil
	}
	return store.Entry[T]{}, store.ErrNotFound
}
