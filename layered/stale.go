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
func (s *Store[T]) staleLocal(ctx context.Context, key string) (f Found[T], ok bool) {
	e, err := s.view(ctx, key)
	if err != nil {
		return f, false
	}
	stale := s.clock.Passed(e.StaleAt)
	if !s.trusted(e) || stale && s.unconfirmed(e) || !s.current(e) || s.tooStale(e) || s.closed.Load() {
		s.count.l1Stale.Add(1)
		return f, false
	}
	if s.countL1 {
		s.count.l1Hits.Add(1)
	}
	f = Found[T]{Entry: *e, Tier: L1, Stale: stale}
	if f.Stale {
		s.count.staleServed.Add(1)
	}
	return f, true
}

// staleSoon is staleLocal that has what is stale loaded anew.
func (s *Store[T]) staleSoon(ctx context.Context, key string, load Loader[T]) (f Found[T], ok bool) {
	f, ok = s.staleLocal(ctx, key)
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

// staleMany puts into found what L1 can answer with although it is stale, has it
// loaded anew, and returns the other keys.
func (s *Store[T]) staleMany(ctx context.Context, ks []string, found map[string]store.Entry[T], load ManyLoader[T]) (missing []string) {
	var dues []due
	for _, key := range ks {
		f, ok := s.staleLocal(ctx, key)
		if !ok {
			missing = append(missing, key)
			continue
		}
		found[key] = f.Entry
		if d := dueOf(key, &f.Entry); f.Stale && s.pace.free(d, s.clock.Now()) {
			dues = append(dues, d)
		}
	}
	s.inBackground(ctx, dues, load, nil)
	return missing
}

// serveStale finishes those calls of b for which L2 has something stale, if that may
// be served, and has loaded anew what is stale or due.
func (s *Store[T]) serveStale(values context.Context, b *batch[T], load ManyLoader[T]) {
	if s.opts.StaleWhileRevalidate {
		for key, f := range b.stale {
			if b.open[key] != nil && !s.tooStale(&f.Entry) {
				s.count.staleServed.Add(1)
				b.due = append(b.due, dueOf(key, &f.Entry))
				b.finish(key, f, f.MissError())
			}
		}
	}
	s.inBackground(values, b.due, load, nil)
	b.due = nil
}

// staleAlone puts into b.stale what L1 has that is stale, where that is the only tier.
func (s *Store[T]) staleAlone(ctx context.Context, b *batch[T]) {
	for key, c := range b.open {
		e, err := s.getL1(ctx, key)
		if (err != nil && !e.Absent) || !s.clock.Passed(e.StaleAt) {
			continue
		}
		f := Found[T]{Entry: e, Tier: L1, Stale: true}
		b.stale[key] = f
		s.offer(c, &f)
	}
}
