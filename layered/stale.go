package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// What is past its soft expiry is answered at once where Options.StaleWhileRevalidate
// says so, while it is loaded anew. It is never something that was changed or removed:
// L1 has dropped that, and what L2 still has nobody has deleted.

// tooStale reports whether e is too far past its soft expiry to be answered at once.
func (s *Store[T]) tooStale(e *store.Entry[T]) bool {
	return s.opts.RevalidateFor > 0 && s.clock.Passed(e.StaleAt.Add(s.opts.RevalidateFor))
}

// staleLocal returns what L1 has under key, if it may be served, fresh or not.
func (s *Store[T]) staleLocal(ctx context.Context, key string, l Look[T]) (f Found[T], ok bool) {
	e := s.seen(ctx, key, l)
	if e == nil {
		return f, false
	}
	stale := s.clock.Passed(e.StaleAt)
	if !s.trusted(e) || stale && s.unconfirmed(e) || !s.current(e) || s.tooStale(e) || s.closed.Load() {
		return f, false
	}
	s.serveSeen()
	f = Found[T]{Entry: *e, Tier: L1, Stale: stale}
	if f.Stale {
		s.count.staleServed.Add(1)
	}
	return f, true
}

// staleSoon is staleLocal that has what is stale loaded anew.
func (s *Store[T]) staleSoon(ctx context.Context, key string, l Look[T], load Loader[T]) (f Found[T], ok bool) {
	f, ok = s.staleLocal(ctx, key, l)
	if f.Stale {
		s.RefreshSoon(ctx, key, &f.Entry, load)
	}
	return f, ok
}

// serves reports whether f, which was read from behind L1, needs no load to be the
// answer: it is fresh, or it is stale and that will do. What is due of it, it has
// loaded anew in the background.
func (s *Store[T]) serves(ctx context.Context, key string, f *Found[T], load Loader[T], strict bool) bool {
	switch {
	case f.Tier == Source:
		return false
	case f.Stale:
		if strict || !s.opts.StaleWhileRevalidate || s.tooStale(&f.Entry) {
			return false
		}
		s.count.staleServed.Add(1)
		s.RefreshSoon(ctx, key, &f.Entry, load)
	case s.dueInL2(&f.Entry):
		s.RefreshSoon(ctx, key, &f.Entry, load)
	}
	return true
}

// staleMany answers those of the keys that which names with what L1 has although it is
// stale, has it loaded anew, and returns the others in the memory of which.
func (s *Store[T]) staleMany(ctx context.Context, q *search[T], which []int) (left []int) {
	left = which[:0]
	var dues []due
	for _, i := range which {
		var ok bool
		if q.f, ok = s.staleLocal(ctx, q.keys[i], q.look(i)); !ok {
			left = append(left, i)
			continue
		}
		if q.f.Stale {
			dues = s.appendDue(dues, q.keys[i], &q.f.Entry)
		}
		q.answer(i, q.f.MissError())
	}
	s.inBackground(ctx, dues, q.load, nil)
	return left
}

// servesStale reports whether r, which a batch has read and is stale, will do, and has
// it loaded anew then.
func (s *Store[T]) servesStale(b *batch[T], r *read[T], key string) bool {
	if b.strict || !s.opts.StaleWhileRevalidate || s.tooStale(r.entry) {
		return false
	}
	s.count.staleServed.Add(1)
	b.due = append(b.due, dueOf(key, r.entry))
	return true
}
