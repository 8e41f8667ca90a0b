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

// Claim implements [store.Refresher].
func (s *Store[T]) Claim(_ context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	if err := s.begin("claim", key); err != nil {
		return store.Grant{}, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.claims, func(_ refresh, c claim) bool { return !now.Before(c.until) })
	r := refresh{key, version}
	if c, ok := s.claims[r]; ok {
		return store.Grant{State: store.Taken, Left: c.until.Sub(now), Version: version}, nil
	}
	s.version++ // names claims as well as entries
	s.claims[r] = claim{s.version, now.Add(d)}
	return store.Grant{State: store.Granted, Lease: s.version, Left: d, Version: version}, nil
}

// EndClaim implements [store.Refresher].
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

// Replace implements [store.Refresher].
func (s *Store[T]) Replace(_ context.Context, key string, version uint64, e store.Entry[T]) (store.Entry[T], bool, error) {
	if err := s.begin("replace", key); err != nil {
		return store.Entry[T]{}, false, err
	}
	if it, ok := s.find(key); !ok || it.counter || it.Version != version {
		s.mu.Unlock()
		return store.Entry[T]{}, false, store.ErrChanged
	}
	e.Version = 0 // it is a new one
	kept, ok := s.write(key, e)
	s.mu.Unlock()
	s.tell(s, key)
	return kept, ok, nil
}
