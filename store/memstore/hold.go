package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
)

// errNoHold says that a write intent needs a length.
var errNoHold = fmt.Errorf("%w: a hold must last for a millisecond or more", store.ErrRefused)

// A hold caps the life of what is kept under its key until it ends.
type hold struct {
	until time.Time
	sole  uint64 // the write intent that alone has written the key; 0: there is none
	floor uint64 // entries of this revision or a newer one are not capped; 0: all are
}

// holdOn returns the hold on key. One that has ended stays until the next request for a
// lease: what was loaded under it was to be capped, which is no longer possible. The data
// is locked.
func (s *Store[T]) holdOn(key string) (h hold, active, ended bool) {
	h, ok := s.holds[key]
	active = ok && time.Now().Before(h.until)
	return h, active, ok && !active
}

// shareHold notes that key was written by other means than the write intent of its hold.
func (s *Store[T]) shareHold(key string) {
	if h, active, _ := s.holdOn(key); active {
		h.sole = 0
		s.holds[key] = h
	} else {
		delete(s.holds, key)
	}
}

// held returns e as it is kept under key: under a hold it ends when it would have been
// stale, or with the hold.
func (s *Store[T]) held(key string, e store.Entry[T]) item[T] {
	it := item[T]{Entry: e}
	h, active, _ := s.holdOn(key)
	if !active {
		return it
	}
	end := store.At(h.until)
	if h.floor != 0 && e.Revision >= h.floor && (e.ExpiresAt == 0 || e.ExpiresAt >= end) {
		return it
	}
	if e.StaleAt != 0 {
		end = min(end, e.StaleAt)
	}
	if e.ExpiresAt == 0 || e.ExpiresAt > end {
		it.ExpiresAt = end
	}
	it.StaleAt, it.provisional = 0, true
	return it
}

// BeginWrite implements [store.Writer].
func (s *Shared[T]) BeginWrite(_ context.Context, d time.Duration, keys ...string) (token uint64, err error) {
	if d < time.Millisecond {
		return 0, failure("begin write", "", errNoHold)
	}
	if err := s.begin("begin write", ""); err != nil {
		return 0, err
	}
	token = s.newID()
	for _, key := range keys {
		next := hold{until: time.Now().Add(d), sole: token}
		if h, active, _ := s.holdOn(key); active {
			next.sole = 0
			if h.until.After(next.until) {
				next.until = h.until
			}
		}
		s.remove(key)
		s.holds[key] = next
	}
	s.mu.Unlock()
	s.notify(nil, keys...)
	return token, nil
}

// EndWrite implements [store.Writer].
func (s *Shared[T]) EndWrite(_ context.Context, token uint64, entries map[string]store.Entry[T], keys ...string) error {
	if err := s.begin("end write", ""); err != nil {
		return err
	}
	failed := make(map[string]error)
	for _, key := range keys {
		h, active, _ := s.holdOn(key)
		s.remove(key)
		if active && h.sole != token {
			s.shareHold(key) // the others go on
			continue
		}
		delete(s.holds, key)
		e, ok := entries[key]
		if !ok || !active {
			continue
		}
		if err := s.check(key, &e); err != nil {
			failed[key] = failure("end write", key, fmt.Errorf("%w; %w", err, store.ErrRemoved))
		} else {
			s.write(key, e)
		}
	}
	s.mu.Unlock()
	s.notify(nil, keys...)
	return store.NewManyError(failed)
}

// DeleteHolding implements [store.Writer].
func (s *Shared[T]) DeleteHolding(_ context.Context, h store.Hold, keys ...string) error {
	if h.For < 0 {
		return failure("delete", "", fmt.Errorf("%w: it is %v", errNoHold, h.For))
	}
	return s.deleteHolding(h, keys)
}

// deleteHolding removes entries and puts a hold on their keys.
func (s *Store[T]) deleteHolding(on store.Hold, keys []string) error {
	if err := s.begin("delete", ""); err != nil {
		return err
	}
	for _, key := range keys {
		s.remove(key)
		next := hold{until: time.Now().Add(on.For), floor: on.Revision}
		h, active, _ := s.holdOn(key)
		if active {
			next.floor = floorOf(h.floor, next.floor, on.For)
			if h.until.After(next.until) {
				next.until = h.until
			}
		}
		if active || on.For > 0 {
			s.holds[key] = next
		} else {
			delete(s.holds, key)
		}
	}
	s.mu.Unlock()
	s.notify(nil, keys...)
	return nil
}

// floorOf returns the floor of a hold with this floor to which another is added that
// lasts d: the highest, and none if one of them has none.
func floorOf(floor, other uint64, d time.Duration) uint64 {
	switch {
	case d == 0: // no other hold, only a Delete
		return floor
	case floor == 0 || other == 0:
		return 0
	}
	return max(floor, other)
}

// MarkStale implements [store.Writer].
func (s *Shared[T]) MarkStale(_ context.Context, keys ...string) error {
	if err := s.begin("mark stale", ""); err != nil {
		return err
	}
	for _, key := range keys {
		it, ok := s.entry(key)
		if !ok || it.provisional {
			s.shareHold(key)
			s.remove(key)
			continue
		}
		delete(s.leases, key)
		it.StaleAt, it.Version = store.Now(), s.newID()
		s.items[key] = it
	}
	s.mu.Unlock()
	s.notify(nil, keys...)
	return nil
}
