package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// refreshTries is how often Refresh loads while the entry to replace keeps changing.
const refreshTries = 3

// Refresh loads key now and returns the value, by a load that began after the call.
// Concurrent calls share one load. Meanwhile readers use the existing value, and keep it if
// the load fails.
//
// The loaded value replaces the entry that existed when the load began. If any process
// changed or removed that meanwhile, the change wins, and Refresh loads again; after three
// times it returns what it loaded last, which is then not kept. If nothing exists, Refresh is
// [Store.FindFresh]: one process loads, and the others wait for it. A value with a Revision
// below that of the existing one is returned, but not kept: the source lags.
//
// Without a loader, or with an L2 that pushes invalidations but is no [store.Filler], the
// error is errors.ErrUnsupported.
func (s *Store[T]) Refresh(ctx context.Context, key string, src Source[T]) (Found[T], error) {
	if s.closed.Load() {
		return Found[T]{}, s.errClosed("refresh", key)
	}
	if !src.loads() || !s.refreshes() {
		return Found[T]{}, s.failed("refresh", key, errors.ErrUnsupported)
	}
	began := s.moment.Load()
	from := flight.NodeOf(ctx)
	for {
		c, lead, err := s.beginAside(ctx, from, key)
		switch {
		case err != nil:
			return Found[T]{}, err
		case lead:
			go c.Run(func(ctx context.Context, c *call[T]) (Found[T], error) { return s.refresh(ctx, c, &src) })
		case s.leavesOvertaken(ctx, c):
			from.Waited(c.Node())
			continue
		default:
			s.count.shared.Add(1)
		}
		f, err := c.Wait(ctx)
		err = s.result(c, &f, err)
		from.Waited(c.Node())
		switch {
		case errors.Is(err, flight.ErrClosed):
			return f, s.errClosed("refresh", key)
		case lead, f.asOf > began, ctx.Err() != nil:
			return f, err
		}
	}
}

// refreshes reports whether L2 allows entries to be refreshed. An L2 that pushes
// invalidations must ensure that a refresh undoes no change.
func (s *Store[T]) refreshes() bool { return s.filler != nil || !s.watched }

func (s *Store[T]) refresh(ctx context.Context, c *call[T], src *Source[T]) (f Found[T], err error) {
	began := s.moment.Load()
	for range refreshTries {
		c.Renew() // the load will see the changes of the key until now
		j := &job[T]{key: c.Key(), c: c}
		if !s.oldValue(c.Values(), j, src) {
			f, err = s.join(ctx, j.key, Lookup[T]{}, *src, true)
			if err != nil && !f.Absent || f.Tier == Origin && f.asOf > began {
				return f, err
			}
			continue // it was loaded by another process, at an unknown time
		}
		jobs := []*job[T]{j}
		if s.loadAgain(ctx, src, jobs, s.limit.MaxWait()); j.err != nil {
			s.count.refreshErrors.Add(1)
			return Found[T]{}, j.err
		}
		s.replaceAll(jobs)
		if f = j.found; !errors.Is(j.err, store.ErrChanged) {
			break
		}
	}
	return f, f.MissError()
}

// errLags means that the loaded value is older than the entry to replace.
var errLags = errors.New("the source is behind what was loaded from it before")

// oldValue gives j what the tiers have under its key. It returns false if that is nothing, or
// cannot be found out.
func (s *Store[T]) oldValue(ctx context.Context, j *job[T], src *Source[T]) (there bool) {
	if s.filler == nil { // no other process can change it
		s.oldAlone(ctx, j, src)
		j.revision = j.old.Revision
		return true
	}
	var err error
	f := &j.old
	f.Tier = L2
	f.asOf, _, err = s.readOne(ctx, j.key, Lookup[T]{}, &f.Entry, true)
	if err != nil && !f.Absent {
		return false
	}
	j.version, j.revision = f.Version, f.Revision
	if s.tagger != nil {
		if j.stamp, err = s.tagger.Stamp(ctx); err != nil {
			return false
		}
	}
	j.reload = s.reloads(src, 1, f)
	return true
}

// reloads reports whether f may be passed to Reload by a load of n keys. To be kept, it must
// be known whether the value or one of its tags changed since it was read.
func (s *Store[T]) reloads(src *Source[T], n int, f *Found[T]) bool {
	unwatched := s.hasL2 && s.tagger == nil && len(f.Tags) > 0
	return src.Reload != nil && (n == 1 || src.LoadMany == nil) && f.Tier != Origin && !f.Absent && !unwatched && s.refreshes()
}

// oldAlone gives j the value to pass to Reload where no other process changes anything. A
// later change by this process forgets the call of j.
func (s *Store[T]) oldAlone(ctx context.Context, j *job[T], src *Source[T]) {
	f := Found[T]{Tier: L1, asOf: s.moment.Add(1)}
	if s.hasL2 {
		var err error
		if f.Entry, err = s.l2.Get(ctx, j.key); err != nil {
			j.reload = false
			return
		}
		f.Tier = L2
	} else {
		e, err := s.peek(ctx, j.key)
		if err != nil || !s.current(e) {
			j.reload = false
			return
		}
		f.Entry = *e
	}
	j.old, j.reload = f, s.reloads(src, 1, &f)
}

// loadAgain loads jobs, with entries that are there.
func (s *Store[T]) loadAgain(ctx context.Context, src *Source[T], jobs []*job[T], maxWait time.Duration) {
	s.count.refreshes.Add(uint64(len(jobs)))
	for _, j := range jobs {
		j.found.asOf = s.moment.Add(1)
		s.loads(j.c, j.found.asOf, j.stamp)
	}
	s.load(ctx, src, jobs, maxWait)
}

// replaceAll keeps what was loaded for jobs in place of what was there, and gives each an err.
func (s *Store[T]) replaceAll(jobs []*job[T]) {
	inParallel(len(jobs), func(i int) {
		if j := jobs[i]; j.err == nil {
			j.err = s.replace(j)
		}
	})
}

// replace keeps what was loaded for j in both tiers in place of its base. With errLags, or
// ErrChanged if the base has changed, it is not kept. With another error it may be kept. An
// unmodified value replaces itself: its tags may have been invalidated since it was loaded.
func (s *Store[T]) replace(j *job[T]) error {
	ctx, key, e := j.c.Values(), j.key, &j.found.Entry
	b := j.base
	if j.same {
		b = base{version: j.old.Version, revision: j.old.Revision, stamp: j.old.Stamp}
		e.Stamp, j.found.asOf = b.stamp, j.old.asOf
	}
	if e.Revision != 0 && e.Revision < b.revision {
		s.count.refused.Add(1)
		return errLags
	}
	if s.filler == nil {
		if !j.c.Keep(func() { s.replaceAlone(ctx, key, e) }) || !s.opts.Tags.current(e.Tags, e.Stamp) {
			s.count.refused.Add(1)
			return store.ErrChanged
		}
		return nil
	}
	defer s.fence.Wake(key) // L2 does not push fills of this process
	m := s.token(key)
	m.Replaces = true
	e.Stamp = b.stamp // the stamp of e is of this process
	if mutant.LateStamp.Load() && s.tagger != nil {
		e.Stamp, _ = s.tagger.Stamp(ctx)
	}
	r := s.exchange(ctx, j, b.version)
	if unstorable(r.Err) && r.Entry.Version != 0 { // the existing entry is in L1 alone, too
		s.failedFill(r.Err)
		r.Err = nil
	}
	if r.Err != nil {
		if errors.Is(r.Err, store.ErrChanged) {
			s.count.refused.Add(1)
		} else {
			s.failedFill(r.Err)
		}
		_ = s.dropL1(ctx, key) // in memory. L2 may have stopped watching it
		return r.Err
	}
	r.Entry.Value = e.Value
	*e = r.Entry
	s.filled(ctx, key, m, *e, r.Watched, nil)
	return nil
}

// replaceAlone is replace for tiers that no other process changes.
func (s *Store[T]) replaceAlone(ctx context.Context, key string, e *store.Entry[T]) {
	if !e.Expired(store.Now()) {
		s.fill(ctx, key, e, nil)
		return
	}
	// The loader returned an expired entry, so the existing one must not be kept either.
	if s.hasL2 {
		if err := s.l2.Delete(ctx, key); err != nil {
			s.count.l2Errors.Add(1)
		}
	}
	_ = s.dropL1(ctx, key) // in memory
}
