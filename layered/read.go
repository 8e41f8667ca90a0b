package layered

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// A Tier says where an answer came from.
type Tier uint8

// The tiers.
const (
	Source Tier = iota // the loader
	L1                 // this process
	L2                 // the shared tier
)

// String returns "source", "L1" or "L2".
func (t Tier) String() string {
	switch t {
	case Source:
		return "source"
	case L1:
		return "L1"
	case L2:
		return "L2"
	default:
		return fmt.Sprintf("Tier(%d)", uint8(t))
	}
}

// Found is an entry and how it was found.
type Found[T any] struct {
	store.Entry[T]
	Tier  Tier
	Stale bool  // past its soft expiry: the source could not answer
	Cause error // why a stale entry was served; else nil
}

// A Loader gets the value under key from the source. An entry without an expiry
// gets the life that the options give; one that has expired is answered but not
// kept. An error that is store.ErrNotFound, or an entry that is Absent, says
// that the source has none, which is remembered for Options.AbsentFor.
//
// Its context has the values of the first caller's, a deadline of its own, and
// is cancelled when no caller waits any more.
type Loader[T any] func(ctx context.Context, key string) (store.Entry[T], error)

// Local returns the entry that L1 can answer with now: one that is there and
// fresh. It does no I/O. An absent entry is an answer too. The entry is shared
// and must not be changed.
func (s *Store[T]) Local(ctx context.Context, key string) (*store.Entry[T], bool) {
	var e *store.Entry[T]
	var err error
	if s.viewer != nil {
		e, err = s.viewer.View(ctx, key)
	} else {
		e, err = store.View(ctx, s.l1, key)
	}
	if err != nil {
		return nil, false
	}
	if (e.StaleAt != 0 && s.clock.Passed(e.StaleAt)) || s.closed.Load() {
		s.count.l1Stale.Add(1)
		return nil, false
	}
	if s.countL1 {
		s.count.l1Hits.Add(1)
	}
	return e, true
}

// Get returns the entry under key from L1 or L2, or store.ErrNotFound. From L2
// it may be stale.
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	if e, ok := s.Local(ctx, key); ok {
		return *e, e.MissError()
	}
	return s.getL2(ctx, key)
}

func (s *Store[T]) getL2(ctx context.Context, key string) (store.Entry[T], error) {
	if s.closed.Load() {
		return store.Entry[T]{}, s.errClosed("get", key)
	}
	if !s.hasL2 {
		// What L1 has may be stale, and is then all there is.
		e, err := s.l1.Get(ctx, key)
		if err == nil || e.Absent {
			return e, e.MissError()
		}
		s.count.misses.Add(1)
		return e, err
	}
	e, err := s.readL2(ctx, key)
	switch {
	case err == nil || e.Absent:
		s.count.l2Hits.Add(1)
	case errors.Is(err, store.ErrNotFound):
		s.count.misses.Add(1)
	default:
		s.count.l2Errors.Add(1)
	}
	return e, err
}

// readL2 reads key from L2 and keeps what it finds in L1.
func (s *Store[T]) readL2(ctx context.Context, key string) (store.Entry[T], error) {
	m := s.guard.mark(key)
	e, err := s.l2.Get(ctx, key)
	if err == nil || e.Absent {
		s.keepL1(key, m, e)
	}
	return e, err
}

// GetOrLoad returns the entry under key from the first tier that has it fresh,
// else from load, which runs once for all who wait. An error of load is
// returned as it is; if there is a stale entry, that is returned instead.
// A failure of L2 costs time, but is not an error. A nil load loads nothing:
// GetOrLoad is then Get, but that callers share one read of L2.
func (s *Store[T]) GetOrLoad(ctx context.Context, key string, load Loader[T]) (store.Entry[T], error) {
	if e, ok := s.Local(ctx, key); ok {
		return *e, e.MissError()
	}
	f, err := s.beyond(ctx, key, load)
	return f.Entry, err
}

// Find is GetOrLoad that also says where the entry came from.
func (s *Store[T]) Find(ctx context.Context, key string, load Loader[T]) (Found[T], error) {
	if e, ok := s.Local(ctx, key); ok {
		return Found[T]{Entry: *e, Tier: L1}, e.MissError()
	}
	return s.beyond(ctx, key, load)
}

// beyond gets key from behind L1.
func (s *Store[T]) beyond(ctx context.Context, key string, load Loader[T]) (Found[T], error) {
	f, shared, err := s.flights.Do(ctx, key, func(ctx context.Context, c *flight.Call[Found[T]]) (Found[T], error) {
		return s.lead(ctx, c, load)
	})
	if shared {
		s.count.shared.Add(1)
	}
	if errors.Is(err, flight.ErrClosed) {
		err = s.errClosed("get", key)
	}
	return f, err
}
