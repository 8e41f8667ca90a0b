package layered

import (
	"context"
	"slices"

	"github.com/lokroom/strata/internal/flight"
)

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
	which, b := s.beginMany(ctx, from, q, which)
	items := s.itemsFor(len(which))
	for j, c := range b.Calls {
		if b.Leads[j] {
			i := which[j]
			*items = append(*items, item[T]{key: q.keys[i], c: c, look: q.look(i)})
		}
	}
	if len(*items) > 0 {
		s.lead(ctx, q.src, *items, q.strict)
	}
	led := *items
	for j, i := range which {
		c := b.Calls[j]
		if b.Leads[j] {
			it := &led[0]
			led = led[1:]
			if ended, err := s.leaderEnds(ctx, from, it, &q.f); ended {
				q.answer(i, err)
				continue
			}
		}
		more, err := s.outcome(ctx, c, from, &q.f, q.began, q.strict, b.Leads[j])
		if more {
			again = append(again, i)
		} else {
			q.answer(i, err)
		}
	}
	s.reuse(items)
	b.End()
	return again
}

// mostItems is the length of a list of items above which it is left to the garbage collector.
const mostItems = 1024

// itemsFor returns an empty list with room for n items, for reuse.
func (s *Store[T]) itemsFor(n int) *[]item[T] {
	items, _ := s.items.Get().(*[]item[T])
	if items == nil {
		items = new([]item[T])
	}
	*items = slices.Grow(*items, n)
	return items
}

// reuse lets other batches use the memory of items, to which nothing refers any more.
func (s *Store[T]) reuse(items *[]item[T]) {
	if cap(*items) > mostItems {
		return
	}
	clear(*items)
	*items = (*items)[:0]
	s.items.Put(items)
}

// beginMany is flights.BeginMany for the keys at which of q. It answers keys with loads that wait
// for from, and removes them from which.
func (s *Store[T]) beginMany(ctx context.Context, from *flight.Node, q *search[T], which []int) (left []int, b *flight.Batch[Found[T]]) {
	if from == nil {
		return which, s.flights.BeginMany(ctx, q.keys, which)
	}
	own := which[:0]
	for _, i := range which {
		if err := s.flights.Own(from, q.keys[i], false); err != nil {
			q.fail(i, err)
		} else {
			own = append(own, i)
		}
	}
	b = s.flights.BeginMany(ctx, q.keys, own)
	n := 0
	for j, c := range b.Calls {
		if err := waitFrom(from, c, b.Leads[j]); err != nil {
			q.fail(own[j], err)
			continue
		}
		own[n], b.Calls[n], b.Leads[n] = own[j], c, b.Leads[j]
		n++
	}
	b.Calls, b.Leads = b.Calls[:n], b.Leads[:n]
	return own[:n], b
}
