package layered

import (
	"context"
	"maps"
	"slices"

	"github.com/lokroom/strata/store"
)

// tryPending deletes what is pending from L2, and reports whether nothing is left. What
// L2 has deleted leaves the queue, and so does what L2 refuses for good, whatever becomes
// of the rest. err is the first error of what stays.
func (s *Store[T]) tryPending(ctx context.Context) (done bool, err error) {
	p := &s.pending
	p.mu.Lock()
	keys, patterns, all := maps.Clone(p.keys), maps.Clone(p.patterns), p.all
	p.mu.Unlock()
	p.retried.Add(1)
	if all.call > 0 {
		m := s.journal.moment()
		cerr := store.Clear(ctx, s.l2)
		if s.tried(cerr, "", &err) {
			s.changedAll(m)
			s.toldLate(ctx, nil, cerr)
		} else {
			all = untold{}
		}
	}
	for pattern := range patterns {
		m := s.journal.moment()
		_, perr := store.DeletePattern(ctx, s.l2, pattern)
		if s.tried(perr, pattern, &err) {
			s.changedAll(m)
			s.toldLate(ctx, nil, perr)
		} else {
			delete(patterns, pattern)
		}
	}
	if len(keys) > 0 {
		s.tryKeys(ctx, keys, &err)
	}
	return p.done(keys, patterns, all, err), err
}

// tryKeys deletes keys from L2, and leaves those in the map that are done with.
func (s *Store[T]) tryKeys(ctx context.Context, keys map[string]untold, err *error) {
	m := s.journal.moment()
	ks := slices.Collect(maps.Keys(keys))
	failed := store.ByKey[string](s.l2.Delete(ctx, ks...))
	var made []string
	for _, key := range ks {
		kerr := failed(key)
		switch {
		case !s.tried(kerr, key, err):
			delete(keys, key)
		case store.OutcomeOf(kerr) == store.Made:
			made = append(made, key)
		}
	}
	if len(made) > 0 {
		s.changed(m, made)
		s.toldLate(ctx, made, nil)
	}
}

// tried reports whether err, of what was pending, ends that. If it was refused, it is counted,
// and the Observer and Options.Refused get err; if not, err is the first.
func (s *Store[T]) tried(err error, key string, first *error) bool {
	switch store.OutcomeOf(err) {
	case store.Open:
		if *first == nil {
			*first = err
		}
		return false
	case store.Refused:
		s.pending.refuse(err)
		_, end := store.Observe(context.Background(), s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: "retry", Key: key, Keys: 1})
		end(0, err)
		if s.opts.Refused != nil {
			s.opts.Refused(key, err)
		}
	}
	return true
}

// toldLate calls Options.Changed for a change that L2 has been told of late, if it was
// made. What fails then is seen to by the function that was called.
func (s *Store[T]) toldLate(ctx context.Context, ks []string, err error) {
	if store.OutcomeOf(err) == store.Made {
		_ = s.tellChanged(ctx, "delete", ks, nil)
	}
}

// refuse notes that L2 refuses for good what was pending.
func (p *pending) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	p.refusedErr = err
}

// Refused returns how many changes left the retry queue because L2 refuses them for good, and
// why the last one did.
func (s *Store[T]) Refused() (n uint64, last error) {
	p := &s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused, p.refusedErr
}

// done takes out what is done with, and reports whether nothing is left. err says why
// the rest is not.
func (p *pending) done(keys, patterns map[string]untold, all untold, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	for _, x := range []struct{ from, which map[string]untold }{{p.keys, keys}, {p.patterns, patterns}} {
		for key, was := range x.which {
			if x.from[key].call == was.call { // else it failed again meanwhile
				delete(x.from, key)
			}
		}
	}
	if all.call > 0 && p.all.call == all.call {
		p.all = untold{}
	}
	if p.left() {
		return false
	}
	p.some.Store(false)
	p.running = false
	return true
}
