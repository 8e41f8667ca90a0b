package memstore

import (
	"context"
	"maps"
	"time"

	"github.com/lokroom/strata/store"
)

// A refresh is what can be claimed.
type refresh struct {
	key     string
	version uint64
}

// A claim is one that was given, and may have ended.
type claim struct {
	id    uint64
	until time.Time
}

// Claim implements [store.Filler].
func (s *Store[T]) Claim(_ context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	if err := s.begin("claim", key); err != nil {
		return store.Grant{}, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.claims, func(_ refresh, c claim) bool { return !now.Before(c.until) })
	r, g := refresh{key, version}, store.Grant{State: store.Granted, Left: d, Version: version, Stamp: s.clock}
	if c, ok := s.claims[r]; ok {
		g.State, g.Left = store.Taken, c.until.Sub(now)
		return g, nil
	}
	g.Lease = s.newID()
	s.claims[r] = claim{g.Lease, now.Add(d)}
	return g, nil
}

// EndClaim implements [store.Filler].
func (s *Store[T]) EndClaim(_ context.Context, key string, version, id uint64, d time.Duration) error {
	if err := s.begin("end claim", key); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now, r := time.Now(), refresh{key, version}
	c, ok := s.claims[r]
	if !ok || c.id != id || !now.Before(c.until) {
		return store.ErrLeaseLost
	}
	s.claims[r] = claim{id, now.Add(d)}
	return nil
}

// Replace implements [store.Filler].
func (s *Store[T]) Replace(_ context.Context, key string, version uint64, e store.Entry[T]) (store.Entry[T], bool, error) {
	return s.replace("replace", key, version, e)
}

// Confirm implements [store.Filler].
func (s *Store[T]) Confirm(_ context.Context, key string, old, e store.Entry[T]) (store.Entry[T], bool, error) {
	version := old.Version
	old.ExpiresAt, old.StaleAt, old.LoadedAt = e.ExpiresAt, e.StaleAt, e.LoadedAt
	return s.replace("confirm", key, version, old)
}

func (s *Store[T]) replace(op, key string, version uint64, e store.Entry[T]) (store.Entry[T], bool, error) {
	if err := s.begin(op, key); err != nil {
		return store.Entry[T]{}, false, err
	}
	if e.Stamp == 0 {
		e.Stamp = s.clock
	}
	it, ok := s.entry(key)
	l, given := s.leaseOf(key, version)
	_, _, ended := s.holdOn(key)
	if same := ok && it.Version == version || given && l.shared; !same || ended || !s.current(s.tags, e.Tags, e.Stamp) {
		s.mu.Unlock()
		return store.Entry[T]{}, false, store.ErrChanged
	}
	if err := s.check(key, &e); err != nil {
		s.mu.Unlock()
		return store.Entry[T]{}, false, failure(op, key, err)
	}
	e.Version = 0 // it is a new one
	kept, ok := s.write(key, e)
	s.mu.Unlock()
	s.notify(s, key)
	return kept, ok, nil
}
