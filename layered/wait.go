package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// join leads the flight of key, or joins it if it is in flight. It takes a result that was
// read before this call only if that was proven to be still true: a change may have been
// acknowledged to its writer in between. Otherwise it begins again, with a later flight.
//
// It is fly for one key, without the lists.
func (s *Store[T]) join(ctx context.Context, key string, l Lookup[T], src Source[T], strict bool) (f Found[T], err error) {
	if err := s.gone(ctx, key); err != nil {
		return f, err
	}
	began := s.moment.Load()
	from := flight.NodeOf(ctx)
	for {
		c, lead, err := s.begin(ctx, from, key)
		if err != nil {
			return f, err
		}
		if lead {
			one := [1]item[T]{{key: key, c: c, look: l}}
			s.lead(ctx, src, one[:], strict)
			if ended, err := s.leaderEnds(ctx, from, &one[0], &f); ended {
				return f, err
			}
		}
		again, err := s.outcome(ctx, c, from, &f, began, strict, lead)
		if !again {
			return f, err
		}
		if strict {
			continue
		}
		var ok bool
		if l, ok = s.Lookup(ctx, key); ok {
			return Found[T]{Entry: *l.entry, Tier: L1}, l.entry.MissError()
		}
	}
}

// A search is one call of FindMany.
type search[T any] struct {
	keys   []string
	src    Source[T]
	each   func(i int, f *Found[T], err error)
	strict bool

	uncounted bool        // it does not count for the hot-key sketch
	began     uint64      // the moment when it began
	looks     []Lookup[T] // see looked; nil: none
	f         Found[T]    // passed to each
}

func (q *search[T]) answer(i int, err error) { q.each(i, &q.f, err) }

// fail answers the key at i with err.
func (q *search[T]) fail(i int, err error) {
	q.f = Found[T]{}
	q.answer(i, err)
}

// looked keeps the Lookup of the key at i, with which L1 cannot answer.
func (q *search[T]) looked(i int, l Lookup[T]) {
	if q.looks == nil {
		q.looks = make([]Lookup[T], len(q.keys))
	}
	q.looks[i] = l
}

// look returns what looked has kept, or the zero Lookup.
func (q *search[T]) look(i int) (l Lookup[T]) {
	if q.looks != nil {
		l = q.looks[i]
	}
	return l
}

func (s *Store[T]) findMany(ctx context.Context, q *search[T]) {
	if each := q.each; q.src.Default != nil {
		q.each = func(i int, f *Found[T], err error) {
			if err != nil {
				err = s.orDefault(ctx, q.keys[i], q.src, f, err)
			}
			each(i, f, err)
		}
	}
	all := make([]int, len(q.keys))
	for i := range all {
		all[i] = i
	}
	left := s.localMany(ctx, q, all)
	if !q.uncounted {
		for _, i := range left {
			s.noteRead(q.keys[i])
		}
	}
	if s.opts.StaleWhileRevalidate && q.src.loads() && !q.strict {
		left = s.staleMany(ctx, q, left)
	}
	if ctx.Err() != nil {
		for _, i := range left {
			q.fail(i, s.gone(ctx, q.keys[i]))
		}
		return
	}
	q.began = s.moment.Load()
	for len(left) > 0 {
		left = s.localMany(ctx, q, s.fly(ctx, q, left))
	}
}

// localMany answers the keys at which from L1, and returns the others in the memory of which.
func (s *Store[T]) localMany(ctx context.Context, q *search[T], which []int) (left []int) {
	if q.strict {
		return which
	}
	left = which[:0]
	var due []item[T]
	for _, i := range which {
		l, ok := s.Lookup(ctx, q.keys[i])
		e := l.entry
		if !ok {
			q.looked(i, l)
			left = append(left, i)
			continue
		}
		if s.ShouldRefresh(e) && s.mayRefresh(q.keys[i], e) {
			due = append(due, item[T]{key: q.keys[i], entry: e, due: true})
		}
		q.f = Found[T]{Entry: *e, Tier: L1}
		q.answer(i, e.MissError())
	}
	if len(due) > 0 {
		s.inBackground(ctx, due, q.src)
	}
	return left
}

// staleMany answers the keys at which with stale copies in L1, refreshes them in the
// background, and returns the other keys in the memory of which.
func (s *Store[T]) staleMany(ctx context.Context, q *search[T], which []int) (left []int) {
	left = which[:0]
	var due []item[T]
	for _, i := range which {
		var ok bool
		if q.f, ok = s.staleLocal(ctx, q.keys[i], q.look(i)); !ok {
			left = append(left, i)
			continue
		}
		if q.f.Stale && s.mayRefresh(q.keys[i], &q.f.Entry) {
			e := q.f.Entry
			due = append(due, item[T]{key: q.keys[i], entry: &e, due: true})
		}
		q.answer(i, q.f.MissError())
	}
	if len(due) > 0 {
		s.inBackground(ctx, due, q.src)
	}
	return left
}

// fly leads or joins a flight for each of the keys at which, and answers with the results. It
// returns the keys with a result that may be older than the search: see [Store.join].
func (s *Store[T]) fly(ctx context.Context, q *search[T], which []int) (again []int) {
	from := flight.NodeOf(ctx)
	which, all, leads := s.beginMany(ctx, from, q, which)
	items := make([]item[T], 0, len(which))
	for j, c := range all {
		if leads[j] {
			key := q.keys[which[j]]
			items = append(items, item[T]{key: key, c: c, look: q.look(which[j])})
		}
	}
	if len(items) > 0 {
		s.lead(ctx, q.src, items, q.strict)
	}
	for j, i := range which {
		c := all[j]
		if leads[j] && len(items) > 0 {
			it := &items[0]
			items = items[1:]
			if ended, err := s.leaderEnds(ctx, from, it, &q.f); ended {
				q.answer(i, err)
				continue
			}
		}
		more, err := s.outcome(ctx, c, from, &q.f, q.began, q.strict, leads[j])
		if more {
			again = append(again, i)
		} else {
			q.answer(i, err)
		}
	}
	return again
}

// leaderEnds reports whether a reader that has led it need not wait: its call has ended with
// what L2 has, which it sets f to, or its context was cancelled during the read.
func (s *Store[T]) leaderEnds(ctx context.Context, from *flight.Node, it *item[T], f *Found[T]) (ends bool, err error) {
	switch {
	case it.settled:
		from.Waited(it.c.Node())
		*f = it.found()
		return true, f.MissError()
	case it.cut && errors.Is(ctx.Err(), context.Canceled):
		from.Waited(it.c.Node())
		it.c.Quit()
		*f = Found[T]{}
		return true, s.gone(ctx, it.key)
	}
	return false, nil
}

// outcome waits for c, which a read that began at the moment began has joined, or leads, and
// sets f to the result. again means that the read must begin again.
func (s *Store[T]) outcome(ctx context.Context, c *call[T], from *flight.Node, f *Found[T], began uint64, strict, lead bool) (again bool, err error) {
	defer from.Waited(c.Node())
	if !lead && s.leavesOvertaken(ctx, c) {
		return true, nil
	}
	if !lead {
		_, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: store.OpWait, Key: c.Key(), Keys: 1})
		defer func() { end(0, err) }()
		s.count.shared.Add(1) // last: when it is counted, the Observer knows
	}
	late, again, err := s.await(ctx, c, f, began, strict, lead)
	switch {
	case again:
	case errors.Is(err, flight.ErrClosed):
		err = s.errClosed("get", c.Key())
	case lead, late, s.holds(f, began) && !(strict && f.Stale && f.Cause == nil):
	case !strict && f.kept && len(f.Tags) == 0:
		f.Tier = L1
	default:
		return true, nil
	}
	return again, err
}

// gone returns the error of a read of key that L1 cannot answer, with a context that had ended
// before: nothing is started for it.
func (s *Store[T]) gone(ctx context.Context, key string) error {
	if ctx.Err() == nil {
		return nil
	}
	return s.failed("get", key, &flight.ContextError{Cause: context.Cause(ctx)})
}

// holds reports whether f, the result of another caller, was true after the moment began. A
// result without a moment is an error, or flagged as stale.
func (s *Store[T]) holds(f *Found[T], began uint64) bool {
	return f.proven || f.asOf == 0 || f.asOf > began || mutant.OldJoin.Load()
}

// beginMany is flights.BeginMany for the keys at which of q. It answers keys with loads that wait
// for from, and removes them from which.
func (s *Store[T]) beginMany(ctx context.Context, from *flight.Node, q *search[T], which []int) (left []int, calls []*call[T], leads []bool) {
	if from == nil {
		calls, leads = s.flights.BeginMany(ctx, q.keys, which)
		return which, calls, leads
	}
	own := which[:0]
	for _, i := range which {
		if err := s.flights.Own(from, q.keys[i], false); err != nil {
			q.fail(i, err)
		} else {
			own = append(own, i)
		}
	}
	calls, leads = s.flights.BeginMany(ctx, q.keys, own)
	n := 0
	for j, c := range calls {
		if err := waitFrom(from, c, leads[j]); err != nil {
			q.fail(own[j], err)
			continue
		}
		own[n], calls[n], leads[n] = own[j], c, leads[j]
		n++
	}
	return own[:n], calls[:n], leads[:n]
}
