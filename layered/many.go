package layered

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// A ManyLoader gets the values under keys from the source in one go. A key that
// is not in the map is absent at the source. Together with an error it may
// return what it has; keys that are not in the map have then failed. If it knows
// which have, and why, it says so by a *[store.ManyError] of strings: those that
// are in neither are absent. See [Loader] for entries and the context.
type ManyLoader[T any] func(ctx context.Context, keys []string) (map[string]store.Entry[T], error)

// A read is what there was behind L1 under a key.
type read[T any] struct {
	entry   *store.Entry[T] // nil: nothing
	err     error
	asOf    uint64
	tier    Tier
	stale   bool
	kept    bool // L1 has it now
	settled bool // its call has ended without a value: nobody but the leader wants it
}

// found makes a Found of r, of which there is an entry.
func (r *read[T]) found() Found[T] {
	return Found[T]{Entry: *r.entry, Tier: r.tier, Stale: r.stale, asOf: r.asOf, kept: r.kept}
}

// readMany reads ks from L2 with one exchange, but for those that L2 must not be asked
// for, and keeps what it finds in L1.
// looks are of ks.
func (s *Store[T]) readMany(ctx context.Context, ks []string, looks []Look[T]) []read[T] {
	if !s.pending.some.Load() {
		return s.readAll(ctx, ks, looks)
	}
	reads := make([]read[T], len(ks))
	var ask []string
	var asked []Look[T]
	var at []int
	for i, key := range ks {
		if s.pending.has(key) {
			reads[i].err = s.unread(ctx, key)
		} else {
			ask, asked, at = append(ask, key), append(asked, looks[i]), append(at, i)
		}
	}
	for j, r := range s.readAll(ctx, ask, asked) {
		reads[at[j]] = r
	}
	return reads
}

func (s *Store[T]) readAll(ctx context.Context, ks []string, looks []Look[T]) []read[T] {
	reads, marks := make([]read[T], len(ks)), make([]mark, len(ks))
	asOf := s.moment.Add(1)
	var found []*store.Entry[T]
	var err error
	for again := len(ks) > 0; again; { // see readKept
		moment := s.journal.moment()
		for i, key := range ks {
			marks[i] = s.mark(key)
		}
		found, err = store.GetOrdered(ctx, s.l2, ks)
		again = s.journal.moment() != moment
	}
	errOf := store.ByKey[string](err)
	now := store.Now()
	for i, key := range ks {
		r := &reads[i]
		switch {
		case s.pending.has(key):
			r.err = s.unread(ctx, key)
		case found[i] != nil:
			*r = read[T]{entry: found[i], asOf: asOf, tier: L2, stale: found[i].Stale(now), kept: s.keepRead(key, marks[i], *found[i])}
		default:
			if r.err = errOf(key); r.err == nil {
				s.denied(ctx, key, s.seen(ctx, key, looks[i]))
			}
		}
	}
	return reads
}

// GetManyOrLoad returns the entries under keys from the first tier that has them
// fresh, and loads those that no tier has with one call of load. Keys that are
// being loaded already, alone or in another batch, are waited for instead.
//
// The map holds every key for which there is an answer; absent entries are in it
// with Absent set. The error is a *[store.ManyError] of strings that says why
// others could not be answered.
func (s *Store[T]) GetManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T]) (map[string]store.Entry[T], error) {
	return s.getManyOrLoad(ctx, keys, load, true)
}

// getManyOrLoad is GetManyOrLoad that need not count as reading.
func (s *Store[T]) getManyOrLoad(ctx context.Context, keys []string, load ManyLoader[T], counts bool) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	errs := make(map[string]error)
	each := func(i int, f *Found[T], err error) {
		switch {
		case err == nil || f.Absent:
			found[keys[i]] = f.Entry
		case load != nil || !errors.Is(err, store.ErrNotFound):
			errs[keys[i]] = err
		}
	}
	s.findMany(ctx, &search[T]{keys: keys, load: load, each: each, uncounted: !counts})
	return found, store.NewManyError(errs)
}

// FindMany is GetManyOrLoad that also says where entries came from. It calls each
// once for every one of keys, in any order, on the goroutine of the caller: i is
// the place of the key, and f and err are what [Store.Find] returns for it. f is
// not to be used after each has returned. A nil load loads nothing.
func (s *Store[T]) FindMany(ctx context.Context, keys []string, load ManyLoader[T], each func(i int, f *Found[T], err error)) {
	s.findMany(ctx, &search[T]{keys: keys, load: load, each: each})
}

// FindManyFresh is FindMany that does not answer from L1, as [Store.FindFresh] does
// not.
func (s *Store[T]) FindManyFresh(ctx context.Context, keys []string, load ManyLoader[T], each func(i int, f *Found[T], err error)) {
	s.findMany(ctx, &search[T]{keys: keys, load: load, each: each, strict: true})
}

// A search is one call of FindMany.
type search[T any] struct {
	keys   []string
	load   ManyLoader[T]
	each   func(i int, f *Found[T], err error)
	strict bool

	uncounted bool      // it does not count as reading
	began     uint64    // the moment
	looks     []Look[T] // see looked; nil: none
	f         Found[T]  // what each is given
}

func (q *search[T]) answer(i int, err error) { q.each(i, &q.f, err) }

// fail answers the key at i with err, and nothing else.
func (q *search[T]) fail(i int, err error) {
	q.f = Found[T]{}
	q.answer(i, err)
}

// looked keeps the look at L1 for the key at i, with which L1 cannot answer.
func (q *search[T]) looked(i int, l Look[T]) {
	if q.looks == nil {
		q.looks = make([]Look[T], len(q.keys))
	}
	q.looks[i] = l
}

// look returns what looked has kept; the zero Look if L1 was not asked.
func (q *search[T]) look(i int) (l Look[T]) {
	if q.looks != nil {
		l = q.looks[i]
	}
	return l
}

func (s *Store[T]) findMany(ctx context.Context, q *search[T]) {
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
	if s.opts.StaleWhileRevalidate && q.load != nil && !q.strict {
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
		left = s.localMany(ctx, q, s.flyMany(ctx, q, left))
	}
}

// localMany answers those of the keys that which names from L1, and returns the
// others in its memory.
func (s *Store[T]) localMany(ctx context.Context, q *search[T], which []int) (left []int) {
	if q.strict {
		return which
	}
	left = which[:0]
	var dues []due
	for _, i := range which {
		l, ok := s.Look(ctx, q.keys[i])
		e := l.entry
		if !ok {
			q.looked(i, l)
			left = append(left, i)
			continue
		}
		if s.Due(e) {
			dues = s.appendDue(dues, q.keys[i], e)
		}
		q.f = Found[T]{Entry: *e, Tier: L1}
		q.answer(i, e.MissError())
	}
	s.inBackground(ctx, dues, q.load, nil)
	return left
}

// flyMany leads or joins a flight for each of the keys that which names, and answers
// with what came of them. It returns those whose flights may have ended with what was
// true before the search began only: see [Store.join].
func (s *Store[T]) flyMany(ctx context.Context, q *search[T], which []int) (again []int) {
	from := flight.NodeOf(ctx)
	which, all, leads := s.beginMany(ctx, from, q, which)
	led, looks := make([]*call[T], 0, len(which)), make([]Look[T], 0, len(which))
	for j, c := range all {
		switch {
		case leads[j]:
			led, looks = append(led, c), append(looks, q.look(which[j]))
		case s.passesBy(ctx, c):
			from.Waited(c.Node())
			all[j] = nil
		default:
			s.count.shared.Add(1)
		}
	}
	var here []read[T]
	if len(led) > 0 {
		here = s.leadMany(ctx, &batch[T]{load: q.load, strict: q.strict}, led, looks)
	}
	for j, i := range which {
		if all[j] == nil {
			again = append(again, i)
			continue
		}
		var err error
		f := &q.f
		if leads[j] && len(here) > 0 {
			r := &here[0]
			here = here[1:]
			if r.settled {
				from.Waited(all[j].Node())
				*f = r.found()
				q.answer(i, f.MissError())
				continue
			}
		}
		var late, restart bool
		*f, late, restart, err = s.await(ctx, all[j], q.began, q.strict, leads[j])
		from.Waited(all[j].Node())
		switch {
		case restart:
			again = append(again, i)
		case errors.Is(err, flight.ErrClosed):
			q.answer(i, s.errClosed("get many", q.keys[i]))
		case late, leads[j], s.holds(f, q.began) && !(q.strict && f.Stale && f.Cause == nil):
			q.answer(i, err)
		case !q.strict && f.kept && len(f.Tags) == 0:
			f.Tier = L1
			q.answer(i, err)
		default:
			again = append(again, i)
		}
	}
	return again
}

// loadMany calls load and gives each entry a life. What is not in the map has failed,
// as [store.ByKey] of err tells. See admit for patience.
func (s *Store[T]) loadMany(ctx context.Context, ks []string, load ManyLoader[T], patience time.Duration) (map[string]store.Entry[T], error) {
	leave, err := s.admit(ctx, first(ks), patience)
	if err != nil {
		return nil, err
	}
	own := ctx
	ctx, cancel := s.loadContext(ctx)
	defer cancel()
	s.count.loads.Add(1)
	ctx, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "source", Cache: s.opts.Name, Name: "load", Key: first(ks), Keys: len(ks)})
	began, stamp := time.Now(), s.opts.Tags.now()
	got, err := ask(ctx, &s.strays, leave, func() (map[string]store.Entry[T], error) { return load(ctx, ks) })
	got, err = s.loadedAll(ks, got, err)
	s.took(time.Since(began), err)
	if err != nil {
		s.count.loadErrors.Add(1)
	}
	errOf := store.ByKey[string](err)
	loaded := make(map[string]store.Entry[T], len(ks))
	for _, key := range ks {
		e, ok := got[key]
		if !ok {
			if err := errOf(key); err != nil && !isAbsent(&e, err) {
				s.remember(ctx, key, err)
				continue
			}
		}
		s.remember(ctx, key, nil)
		if !ok || e.Absent {
			e = asAbsent(e)
		}
		s.arrived(&e, began)
		e.Stamp = stamp
		loaded[key] = e
	}
	end(len(got), err)
	if err != nil {
		err = s.failure(own, err)
	}
	return loaded, err
}

// atOnce is how many calls of L2 for a batch are under way at once: they share
// exchanges.
const atOnce = 32

// inParallel calls f for each of ks, several at a time.
func inParallel(ks []string, f func(i int, key string)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, key := range ks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i, key)
		})
	}
	wg.Wait()
}
