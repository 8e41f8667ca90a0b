package layered

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// A batch is calls that are led together.
type batch[T any] struct {
	load   ManyLoader[T]
	strict bool                // nothing stale will do
	open   map[string]*call[T] // not yet finished
	stale  map[string]Found[T] // what there is for them that is past its soft expiry
	apart  map[string]error    // of the open ones: L2 is not to be asked about it, and why
	due    []due               // what is to be loaded anew in the background
	cut    bool                // reading ended with the context
}

func (b *batch[T]) keys() []string { return slices.Collect(maps.Keys(b.open)) }

func (b *batch[T]) finish(key string, f Found[T], err error) {
	b.open[key].Finish(f, err)
	delete(b.open, key)
	delete(b.apart, key)
}

// leave leaves c open.
func (b *batch[T]) leave(c *call[T]) {
	if b.open == nil {
		b.open = make(map[string]*call[T])
	}
	b.open[c.Key()] = c
}

// leaveApart leaves c open, for which L2 is not to be asked any more.
func (b *batch[T]) leaveApart(c *call[T], why error) {
	b.leave(c)
	if b.apart == nil {
		b.apart = make(map[string]error)
	}
	b.apart[c.Key()] = why
}

// why is why L2 is not asked about key: what it is apart for, or else l2err.
func (b *batch[T]) why(key string, l2err error) error {
	if why := b.apart[key]; why != nil {
		return why
	}
	return l2err
}

// split takes what is apart out of b.
func (b *batch[T]) split() *batch[T] {
	alone := &batch[T]{load: b.load, strict: b.strict, stale: b.stale, apart: b.apart}
	for key := range b.apart {
		alone.leave(b.open[key])
		delete(b.open, key)
	}
	b.apart = nil
	return alone
}

// leadMany sees to the work of the flights that a batch leads. L2 it reads itself, as
// [Store.lead] does, and returns what it found in the order of led; what takes longer
// has a goroutine.
func (s *Store[T]) leadMany(ctx context.Context, b *batch[T], led []*call[T], looks []Look[T]) (here []read[T]) {
	if s.opts.FinishLoads {
		for _, c := range led {
			c.Detach()
		}
	}
	left := true
	flight.Protect(func() (Found[T], error) {
		here = s.behindMany(ctx, b, led, looks, true, true)
		left = len(b.open) > 0
		return Found[T]{}, nil
	}, func(none Found[T], err error) {
		if err != nil { // those that have been finished are not changed
			left = false
			finishAll(led, none, err)
		}
	})
	if left {
		go s.leadManyOn(ctx, b)
	}
	return here
}

func finishAll[T any](calls []*call[T], f Found[T], err error) {
	for _, c := range calls {
		c.Finish(f, err)
	}
}

// leadManyOn does the rest of the work: one load, and the way back. Every flight is
// finished when it returns.
func (s *Store[T]) leadManyOn(caller context.Context, b *batch[T]) {
	led := slices.Collect(maps.Values(b.open))
	ctx, cancel := whileAny(caller, led)
	defer cancel()
	flight.Protect(func() (Found[T], error) {
		s.batch(ctx, led[0].Values(), b)
		return Found[T]{}, nil
	}, func(none Found[T], err error) { finishAll(led, none, err) })
}

// whileAny returns a context with the values of caller that is cancelled when
// the contexts of all calls have been, with the cause of the last: nobody wants any of
// them any more.
func whileAny[T any](caller context.Context, led []*call[T]) (context.Context, context.CancelFunc) {
	node := flight.Gather(caller, led...)
	ctx, cancel := context.WithCancelCause(withOld[T](node, nil))
	var left atomic.Int64
	left.Store(int64(len(led)))
	for _, c := range led {
		own := c.Context()
		context.AfterFunc(own, func() {
			if left.Add(-1) == 0 {
				cancel(context.Cause(own))
			}
		})
	}
	return ctx, func() {
		node.End()
		cancel(nil)
	}
}

// batch finishes what is open in b.
func (s *Store[T]) batch(ctx, values context.Context, b *batch[T]) {
	if b.cut { // for the leader, not for those who have joined
		s.againBehind(values, b)
	}
	s.restMany(values, b)
	var l2err error
	if s.leaser != nil {
		l2err = s.batchLeased(ctx, values, b)
	}
	if len(b.open) > 0 {
		s.batchAlone(ctx, b, l2err)
	}
}

// batchAlone loads what is open without asking other processes, and finishes it; see
// leadAlone. l2err is why L2 is not asked to keep what is not apart.
func (s *Store[T]) batchAlone(ctx context.Context, b *batch[T], l2err error) {
	for _, c := range b.open {
		c.Renew() // see leadAlone
	}
	asOf := s.moment.Add(1)
	s.loads(asOf, 0, slices.Collect(maps.Values(b.open))...)
	loaded, err := s.loadMany(ctx, b.keys(), b.load, s.patience())
	keep := func(_ int, key string) {
		c, e := b.open[key], loaded[key]
		f := Found[T]{Entry: e, asOf: asOf}
		c.Keep(func() { f.Entry = s.fill(c.Values(), key, e, b.why(key, l2err)) })
		f.proven = s.provenAlone(c, &e)
		c.Finish(f, f.MissError())
	}
	ks := slices.Collect(maps.Keys(loaded))
	if s.hasL2 && l2err == nil && len(b.apart) < len(b.open) {
		inParallel(ks, keep)
	} else { // in memory
		for i, key := range ks {
			keep(i, key)
		}
	}
	for _, key := range ks {
		delete(b.open, key)
	}
	s.inDoubtMany(ctx, b, b.keys(), l2err)
	s.failBatch(b, b.keys(), err)
}

// failBatch finishes those of ks that are still open after a load that ended with
// err: with what is stale, where there is something.
func (s *Store[T]) failBatch(b *batch[T], ks []string, err error) {
	errOf := store.ByKey[string](err)
	for _, key := range ks {
		if b.open[key] != nil {
			f, ferr := s.failSafe(b.stale[key], errOf(key))
			b.finish(key, f, ferr)
		}
	}
}

// behindMany finishes those of calls that what is behind L1 answers, with one exchange
// with L2, and leaves the others open. It returns what there was. With settle it need
// not tell who leads the calls of those that it has settled. Without first the calls have
// been looked for before, and their misses counted.
func (s *Store[T]) behindMany(ctx context.Context, b *batch[T], calls []*call[T], looks []Look[T], settle, first bool) []read[T] {
	ks := make([]string, len(calls))
	for i, c := range calls {
		ks[i] = c.Key()
	}
	var reads []read[T]
	if s.hasL2 {
		reads = s.readMany(ctx, ks, looks)
	} else {
		reads = s.staleReads(ctx, ks, looks)
	}
	hits, misses, failed := 0, 0, false
	for i, c := range calls {
		r := &reads[i]
		if r.err != nil && ended(r.err) && ctx.Err() != nil { // nobody's fault
			b.cut = true
			b.leave(c)
			continue
		}
		failed = failed || r.err != nil && !errors.Is(r.err, errPending)
		switch {
		case r.entry == nil, r.stale:
			misses++
		case r.tier == L1: // it was kept after L1 was asked first
			s.serveSeen()
		case r.tier == L2:
			hits++
		}
		s.answerOne(b, c, r, settle)
	}
	s.count.l2Hits.Add(uint64(hits))
	if first {
		s.count.misses.Add(uint64(misses))
	}
	if failed {
		s.count.l2Errors.Add(1)
	}
	s.inBackground(ctx, b.due, b.load, nil)
	b.due = nil
	return reads
}

// staleReads is readMany of L1, where that is the only tier: what is stale there may
// be of use.
func (s *Store[T]) staleReads(ctx context.Context, ks []string, looks []Look[T]) []read[T] {
	reads := make([]read[T], len(ks))
	asOf := s.moment.Add(1)
	for i, key := range ks {
		if e, err := s.getL1(ctx, key, looks[i]); err == nil || e.Absent {
			reads[i] = read[T]{entry: &e, asOf: asOf, tier: L1, stale: s.clock.Passed(e.StaleAt)}
		}
	}
	return reads
}

// answerOne finishes c with what was read from behind L1, if that will do.
func (s *Store[T]) answerOne(b *batch[T], c *call[T], r *read[T], settle bool) {
	switch {
	case r.entry == nil && b.load == nil:
		c.Finish(withoutLoader(Found[T]{}, r.err))
		return
	case r.entry == nil && r.err != nil:
		b.leaveApart(c, r.err)
		return
	case r.entry == nil:
		b.leave(c)
		return
	case b.load == nil:
	case r.stale && !s.servesStale(b, r, c.Key()):
		b.leave(c)
		if b.stale == nil {
			b.stale = make(map[string]Found[T])
		}
		f := r.found()
		b.stale[c.Key()] = f
		s.offer(c, &f)
		return
	case !r.stale && s.dueInL2(r.entry):
		b.due = append(b.due, dueOf(c.Key(), r.entry))
	}
	if r.settled = settle && c.Settle(r.entry.MissError()); !r.settled {
		c.Finish(r.found(), r.entry.MissError())
	}
}

// againBehind is behindMany of what is open and not apart.
func (s *Store[T]) againBehind(ctx context.Context, b *batch[T]) {
	calls := make([]*call[T], 0, len(b.open))
	for key, c := range b.open {
		if _, apart := b.apart[key]; !apart {
			calls = append(calls, c)
			delete(b.open, key)
		}
	}
	first := b.cut // else it was counted
	b.cut = false
	if len(calls) > 0 {
		s.behindMany(ctx, b, calls, make([]Look[T], len(calls)), false, first)
	}
}
