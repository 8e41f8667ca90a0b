package redisstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// LeaseMany asks for the leases of keys, as [store.ManyLeaser] describes it, with one
// exchange for 400 of them, and another one for the clock of the tags if that has
// changed.
func (s *Store[T]) LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	grants, leases := make([]store.Grant, len(keys)), make([]uint64, len(keys))
	lost := make([]string, len(keys)) // where a lease may have been given
	failed := s.scripts(ctx, "lease many", keys, func(call context.Context, l *links, full []string, which []int, errs []error) {
		s.endLeases(call, l, full, leases, which)
		stamp, cleared, err := s.leaseStamp(call, l)
		if err != nil {
			for _, i := range which {
				errs[i] = err
			}
			return
		}
		calls := make([]scriptCall, len(which))
		for j, i := range which {
			leases[i] = newID()
			if mutant.OneToken.Load() {
				leases[i] = oneToken
			}
			calls[j] = scriptCall{&leaseScript, full[i], leaseArgs(leases[i], d, not[i], stamp, cleared)}
		}
		for j, r := range runMany(call, l.t, calls) {
			i := which[j]
			reply, err := r.ToArray()
			if lost[i] = ""; mayHaveRun(err) {
				lost[i] = full[i]
			}
			if err == nil {
				grants[i], err = parseGrant(reply, leases[i], stamp)
			}
			errs[i] = err
		}
	})
	told := len(s.client.broadcast) > 0
	errs := make(map[string]error)
	for i := range grants {
		if grants[i].Told = told && grants[i].Lease == leases[i]; failed[i] != nil {
			grants[i], errs[keys[i]] = store.Grant{}, failed[i]
			if lost[i] != "" {
				s.releaseLate(lost[i], leases[i], d)
			}
		}
	}
	return grants, store.NewManyError(errs)
}

// endLeases ends those of which that may have been given before a connection broke:
// nobody else would.
func (s *Store[T]) endLeases(ctx context.Context, l *links, full []string, leases []uint64, which []int) {
	var calls []scriptCall
	for _, i := range which {
		if leases[i] != 0 {
			calls = append(calls, scriptCall{&releaseScript, full[i], []string{bytes8(leases[i]), "0", ""}})
		}
	}
	if len(calls) > 0 {
		runMany(ctx, l.t, calls)
	}
}

// FillManyLeased keeps what was loaded under leases, as [store.ManyLeaser] describes
// it and FillLeased does, with one exchange for 400 keys.
func (s *Store[T]) FillManyLeased(ctx context.Context, fills []store.LeasedFill[T]) []store.Filled[T] {
	filled, keys := make([]store.Filled[T], len(fills)), make([]string, len(fills))
	for i := range fills {
		keys[i] = fills[i].Key
	}
	errs := s.scripts(ctx, "fill many", keys, func(call context.Context, l *links, full []string, which []int, errs []error) {
		s.fillMany(call, l, fills, full, which, filled, errs)
	})
	for i, err := range errs {
		switch {
		case cannotStore(err):
			filled[i].Err = err
		case err != nil:
			filled[i] = store.Filled[T]{Err: err}
		default:
			s.stats.sets.Add(1)
		}
	}
	return filled
}

// fillMany makes those fills that which names, and sets what became of them.
func (s *Store[T]) fillMany(ctx context.Context, l *links, fills []store.LeasedFill[T], full []string, which []int, filled []store.Filled[T], errs []error) {
	sent := store.Now()
	c, tells := s.fillsOn(l)
	writes, calls := make([]write, 0, len(which)), make([]scriptCall, 0, len(which))
	made := make([]int, 0, len(which))
	var noted []int
	for _, i := range which {
		w, err := s.encode(ctx, full[i], &fills[i].Entry)
		if errs[i] = err; cannotStore(err) {
			noted = append(noted, i)
		} else if err == nil {
			made, writes = append(made, i), append(writes, w)
			calls = append(calls, fillCall(&w, "T", fills[i].Lease))
		}
	}
	s.noteManyUnstorable(ctx, l, fills, full, noted, filled)
	kept := slices.DeleteFunc(noted, func(i int) bool { return filled[i].Entry.Version == 0 })
	var told []string
	for j, r := range runMany(ctx, c, calls) {
		i, w := made[j], &writes[j]
		var life life
		if errs[i] = s.sent(ctx, w, r); errs[i] == nil {
			life, errs[i] = fillReply(w, r)
		}
		if mayHaveRun(r.Error()) {
			s.releaseLate(full[i], fills[i].Lease, 0) // if it has not been filled
		}
		if errs[i] == nil {
			f := &filled[i]
			f.Entry, f.Watched = s.filled(&fills[i].Entry, w, life, sent, tells)
			kept, told = append(kept, i), append(told, full[i])
		}
	}
	if err := s.settle(ctx, l, told...); err != nil {
		for _, i := range kept {
			errs[i] = err
		}
		return
	}
	if !tells && len(told) > 0 {
		s.client.watchers.tell(told, s)
	}
	s.refuseOld(ctx, l, filled, kept, errs)
}

// refuseOld finds those that kept names lost whose tags were invalidated meanwhile.
func (s *Store[T]) refuseOld(ctx context.Context, l *links, filled []store.Filled[T], kept []int, errs []error) {
	now := store.Now()
	kept = slices.DeleteFunc(kept, func(i int) bool { return filled[i].Entry.Expired(now) })
	got := make([]fetched[T], len(kept))
	for j, i := range kept {
		got[j].found = true
		e := &filled[i].Entry
		got[j].entry.Tags, got[j].entry.Stamp, got[j].entry.ExpiresAt = e.Tags, e.Stamp, e.ExpiresAt
	}
	s.dropOld(ctx, l, got)
	for j, i := range kept {
		switch {
		case got[j].err != nil:
			errs[i] = got[j].err
		case !got[j].found:
			errs[i] = store.ErrLeaseLost
		}
	}
}

// scripts is script for many keys, of which it gives f 400 at a time. f sets the
// errors of those that which names.
func (s *Store[T]) scripts(ctx context.Context, op string, keys []string, f func(call context.Context, l *links, full []string, which []int, errs []error)) []error {
	ctx, end := store.Observe(ctx, s.observer, s.op(op, "", len(keys)))
	full, errs := make([]string, len(keys)), make([]error, len(keys))
	which := make([]int, 0, len(keys))
	for i, key := range keys {
		if full[i], errs[i] = s.redisKey(key); errs[i] == nil {
			which = append(which, i)
		}
	}
	for part := range slices.Chunk(which, maxPipeline) {
		s.scriptsOnce(ctx, full, part, errs, f)
	}
	var first error
	for i, err := range errs {
		switch {
		case err == nil, errors.Is(err, store.ErrLeaseLost):
		case first == nil: // it is one operation
			first = s.fail(ctx, op, keys[i], err)
			errs[i] = first
		default:
			errs[i] = s.error(ctx, op, keys[i], err)
		}
	}
	if first == nil && len(which) > 0 {
		s.answered(keys[which[0]])
	}
	end(0, first)
	return errs
}

// scriptsOnce calls f for which, and again for those whose connection broke.
func (s *Store[T]) scriptsOnce(ctx context.Context, full []string, which []int, errs []error, f func(call context.Context, l *links, full []string, which []int, errs []error)) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	for try := 1; len(which) > 0; try++ {
		names := make([]string, len(which))
		for j, i := range which {
			names[j] = full[i]
		}
		l, err := s.heard(call, names...)
		if err == nil {
			f(call, l, full, which, errs)
		} else {
			for _, i := range which {
				errs[i] = err
			}
		}
		if try == maxTries {
			return
		}
		which = slices.DeleteFunc(slices.Clone(which), func(i int) bool { return !isBroken(call, errs[i]) })
	}
}
