package layered

import (
	"cmp"
	"context"
	"errors"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// This file has all reads of L2, and what a load asks of it: leases, fills, replacements.

// read reads items from L2 and keeps what it finds in L1. Several are read with one exchange,
// and with their values; only one is revalidated.
func (s *Store[T]) read(ctx context.Context, items []item[T], strict bool) {
	if strict {
		ctx = bypass.Strict(ctx)
	}
	if len(items) == 1 {
		it := &items[0]
		var e *store.Entry[T]
		if it.c != nil {
			e = &it.c.Room().Entry // allocated with the call
		} else {
			e = new(store.Entry[T])
		}
		it.asOf, it.kept, it.err = s.readOne(ctx, it.key, it.look, e, strict)
		it.put(e)
		return
	}
	if s.retryQueue.Empty() {
		s.readAll(ctx, items)
		return
	}
	var ask []item[T]
	var at []int
	for i := range items {
		if it := &items[i]; s.retryQueue.Has(it.key) {
			it.err = s.unread(ctx, it.key)
		} else {
			ask, at = append(ask, *it), append(at, i)
		}
	}
	s.readAll(ctx, ask)
	for j, i := range at {
		items[i] = ask[j]
	}
}

// put notes that L2 has e, or nothing, or has failed.
func (it *item[T]) put(e *store.Entry[T]) {
	switch {
	case it.err == nil, e.Absent:
		it.entry, it.tier, it.err = e, L2, nil
	case errors.Is(it.err, store.ErrNotFound):
		it.version, it.err = e.Version, nil
	}
}

// readAll reads items with one exchange.
func (s *Store[T]) readAll(ctx context.Context, items []item[T]) {
	if len(items) == 0 {
		return
	}
	ks := make([]string, len(items))
	for i := range items {
		ks[i] = items[i].key
	}
	asOf := s.moment.Add(1)
	var found []*store.Entry[T]
	var err error
	for again := true; again; { // see readOne
		moment := s.recentWrites.Moment()
		for i := range items {
			items[i].mark = s.token(ks[i])
		}
		found, err = store.GetMany(ctx, s.l2, ks)
		again = s.recentWrites.Moment() != moment
	}
	errOf := store.ByKey[string](err)
	for i := range items {
		it, e := &items[i], found[i]
		it.asOf = asOf
		switch {
		case s.retryQueue.Has(it.key):
			it.err = s.unread(ctx, it.key)
		case e != nil:
			it.entry, it.tier, it.kept = e, L2, s.keepRead(it.key, it.mark, *e)
		default:
			if it.err = errOf(it.key); it.err == nil {
				s.notFound(ctx, it.key, s.seen(ctx, it.key, it.look))
			}
		}
	}
}

// readL1 is read where L1 is the only tier. A stale entry may be the fallback.
func (s *Store[T]) readL1(ctx context.Context, items []item[T]) {
	asOf := s.moment.Add(1)
	for i := range items {
		it := &items[i]
		it.asOf, it.tier, it.entry = asOf, L1, s.getL1(ctx, it.key, it.look)
	}
}

// readOne reads key from L2 into e and keeps it in L1, which kept reports. A suspect copy in
// L1, or any copy if strict, is revalidated first, which transfers no value. asOf is when
// it was read.
//
// L2 may roll back before it replies. The keys that this process changed are then in the
// retry queue, or were deleted after the read: such a read is repeated.
func (s *Store[T]) readOne(ctx context.Context, key string, l Lookup[T], e *store.Entry[T], strict bool) (asOf uint64, kept bool, err error) {
	for again := true; again; l = (Lookup[T]{}) {
		if s.retryQueue.Has(key) {
			return 0, false, s.unread(ctx, key)
		}
		m := s.recentWrites.Moment()
		asOf = s.moment.Add(1)
		kept, again, err = s.readOnce(ctx, key, l, e, strict, m)
	}
	return asOf, kept, err
}

// readOnce returns again if L2 rolled back since moment was taken.
func (s *Store[T]) readOnce(ctx context.Context, key string, l Lookup[T], e *store.Entry[T], strict bool, moment uint64) (kept, again bool, err error) {
	m := s.token(key)
	seen := s.seen(ctx, key, l)
	if s.revalidates(seen, strict) {
		*e, err = s.filler.Revalidate(ctx, key, *seen)
		switch {
		case s.retryQueue.Has(key):
			*e = store.Entry[T]{}
			return false, false, s.unread(ctx, key)
		case s.recentWrites.Moment() != moment:
			return false, true, nil
		case err == nil:
			s.count.revalidated.Add(1)
			return s.keepRead(key, m, *e), false, nil
		case !errors.Is(err, store.ErrNotFound):
			return false, false, err
		}
		if s.notFound(ctx, key, seen) {
			seen = nil
		}
		m = s.token(key)
	}
	*e, err = s.l2.Get(ctx, key)
	switch {
	case s.retryQueue.Has(key):
		*e = store.Entry[T]{}
		return false, false, s.unread(ctx, key)
	case s.recentWrites.Moment() != moment:
		return false, true, nil
	case err == nil || e.Absent:
		kept = s.keepRead(key, m, *e)
	case errors.Is(err, store.ErrNotFound):
		s.notFound(ctx, key, seen)
	}
	return kept, false, err
}

// notFound is denied that counts what a tag has invalidated.
func (s *Store[T]) notFound(ctx context.Context, key string, seen *store.Entry[T]) bool {
	if !s.denied(ctx, key, seen) {
		return false
	}
	s.countOutdated(seen)
	return true
}

// errNoGrant is why L2 is not asked about a key for which it has answered no request.
var errNoGrant = errors.New("L2 has not answered the request for a lease")

// lease asks for the leases of jobs. One without an answer has a why.
func (s *Store[T]) lease(ctx context.Context, jobs []*job[T]) {
	var err error
	if len(jobs) == 1 { // lists of one would be allocated
		jobs[0].grant, err = s.leaser.Lease(ctx, jobs[0].key, s.opts.Lease, jobs[0].not)
		if err != nil {
			jobs[0].grant = store.Grant{}
		}
	} else {
		ks, not := keysOf(jobs), make([]uint64, len(jobs))
		for i, j := range jobs {
			not[i] = j.not
		}
		var grants []store.Grant
		grants, err = s.leaser.LeaseMany(ctx, ks, s.opts.Lease, not)
		for i, j := range jobs {
			j.grant = grants[i]
		}
	}
	if err != nil {
		s.count.l2Errors.Add(1)
	}
	for _, j := range jobs {
		if j.grant.State == 0 {
			j.why = cmp.Or(store.ByKey[string](err)(j.key), errNoGrant)
		}
	}
}

// renew renews the leases of jobs. The error is store.ErrLeaseLost if all are lost.
func (s *Store[T]) renew(ctx context.Context, jobs []*job[T]) error {
	return allLost(len(jobs), func(i int) error {
		return s.leaser.Renew(ctx, jobs[i].key, jobs[i].grant.Lease, s.opts.Lease)
	})
}

// fillLeased has L2 keep e, which was loaded for j under its lease.
func (s *Store[T]) fillLeased(ctx context.Context, j *job[T], e store.Entry[T]) (r store.Filled[T]) {
	r.Entry, r.Watched, r.Err = s.leaser.FillLeased(ctx, j.key, j.grant.Lease, e)
	return r
}

// fillAlone has L2 keep e, which was loaded without a lease.
func (s *Store[T]) fillAlone(ctx context.Context, key string, e *store.Entry[T]) (watched bool, err error) {
	if s.filler == nil {
		return !s.watched, s.l2.Set(ctx, key, *e)
	}
	kept, watched, err := s.filler.Fill(ctx, key, *e)
	if err == nil {
		kept.Value = e.Value
		*e = kept
	}
	return watched, err
}

// exchange has L2 keep what was loaded for j in place of the entry of version, without sending
// an unmodified value.
func (s *Store[T]) exchange(ctx context.Context, j *job[T], version uint64) (r store.Filled[T]) {
	if j.same {
		r.Entry, r.Watched, r.Err = s.filler.Confirm(ctx, j.key, j.old.Entry, j.found.Entry)
	} else {
		r.Entry, r.Watched, r.Err = s.filler.Replace(ctx, j.key, version, j.found.Entry)
	}
	if mutant.NoCompare.Load() && errors.Is(r.Err, store.ErrChanged) {
		r.Entry, r.Watched, r.Err = s.filler.Fill(ctx, j.key, j.found.Entry)
	}
	return r
}

// fill keeps e, which was loaded without a lease, in both tiers, and sets it to what was kept.
// l2err is why L2 is not asked.
func (s *Store[T]) fill(ctx context.Context, key string, e *store.Entry[T], l2err error) {
	if e.Expired(store.Now()) { // it is answered, but not kept
		return
	}
	if !s.watched && !s.opts.Tags.current(e.Tags, e.Stamp) { // the tiers may have a newer value
		return
	}
	m := s.token(key)
	switch {
	case !s.hasL2:
		s.keepL1(key, m, *e)
	case l2err != nil:
		s.keepDisconnected(key, m, *e)
	default:
		watched, err := s.fillAlone(ctx, key, e)
		s.filled(ctx, key, m, *e, watched, err)
	}
}
