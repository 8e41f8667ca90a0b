package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// A Look is what L1 had under a key when it was asked: see [Store.Look]. It is passed
// along, so that a read asks L1 once. The zero Look says that L1 was not asked.
type Look[T any] struct {
	entry *store.Entry[T] // nil: nothing
	at    uint64          // how many changes of L1 the Store had made, plus one
}

// Entry returns the entry that L1 had, or nil. It is shared and must not be changed.
func (l Look[T]) Entry() *store.Entry[T] { return l.entry }

// Look asks L1 for key once. ok says that L1 can answer with the entry now, as
// [Store.Local] does; if not, [Store.FindPast] continues from the Look.
func (s *Store[T]) Look(ctx context.Context, key string) (l Look[T], ok bool) {
	l.at = s.guard.changes.Load() + 1
	e, err := s.view(ctx, key)
	if err != nil {
		return l, false
	}
	l.entry = e
	if !s.trust.serves(e.Epoch) && !s.trusted(e) || (e.StaleAt != 0 && s.clock.Passed(e.StaleAt)) || len(e.Tags) > 0 && !s.current(e) || s.closed.Load() {
		s.count.l1Stale.Add(1)
		return l, false
	}
	if s.countL1 {
		s.count.l1Hits.Add(1)
	}
	if s.sampler.armed.Load() {
		s.sample(key, e)
	}
	return l, true
}

// seen returns what L1 has under key: what l says, unless L1 was changed since, or was
// not asked. nil: nothing.
func (s *Store[T]) seen(ctx context.Context, key string, l Look[T]) *store.Entry[T] {
	if l.at == s.guard.changes.Load()+1 {
		return l.entry
	}
	e, err := s.peek(ctx, key)
	if err != nil {
		return nil
	}
	return e
}

// serveSeen counts that what a Look counted as not served is served after all.
func (s *Store[T]) serveSeen() {
	if s.countL1 {
		s.count.l1Hits.Add(1)
	} else {
		s.count.l1Stale.Add(^uint64(0))
	}
}
