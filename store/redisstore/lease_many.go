package redisstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// LeaseMany asks for the leases of keys, as [store.Leaser] describes it, with one exchange per
// 400 keys, and another one for the clock of the tags if that has changed.
func (s *view) LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	grants, leases := make([]store.Grant, len(keys)), make([]uint64, len(keys))
	lost := make([]string, len(keys)) // where a lease may have been given
	keyAt := func(i int) string { return keys[i] }
	failed := s.scripts(ctx, "lease many", len(keys), keyAt, func(call context.Context, l *link.Pair, full []string, which []int, errs []error) {
		s.endLeases(call, l, full, leases, which)
		stamp, cleared, err := s.leaseStamp(call, l)
		if err != nil {
			for _, i := range which {
				errs[i] = err
			}
			return
		}
		calls := make([]script.Call, len(which))
		for j, i := range which {
			leases[i] = record.NewID()
			if mutant.OneToken.Load() {
				leases[i] = oneToken
			}
			calls[j] = script.Lease.Call(full[i], leaseArgs(leases[i], d, not[i], stamp, cleared)...)
		}
		for j, r := range script.RunMany(call, l.T, calls) {
			i := which[j]
			reply, err := r.ToArray()
			if lost[i] = ""; script.MayHaveRun(err) {
				lost[i] = full[i]
			}
			if err == nil {
				grants[i], err = parseGrant(reply, leases[i], stamp)
			}
			errs[i] = err
		}
	})
	notified := len(s.client.link.Broadcast) > 0
	errs := make(map[string]error)
	for i := range grants {
		if grants[i].NotifiesOwn = notified && grants[i].Lease == leases[i]; failed[i] != nil {
			grants[i], errs[keys[i]] = store.Grant{}, failed[i]
			if lost[i] != "" {
				s.releaseLost(lost[i], leases[i], d)
			}
		}
	}
	return grants, store.NewManyError(errs)
}

// endLeases ends those of which that may have been given before a connection broke:
// nobody else would.
func (s *view) endLeases(ctx context.Context, l *link.Pair, full []string, leases []uint64, which []int) {
	var calls []script.Call
	for _, i := range which {
		if leases[i] != 0 {
			calls = append(calls, script.Release.Call(full[i], record.Bytes8(leases[i]), "0", ""))
		}
	}
	if len(calls) > 0 {
		script.RunMany(ctx, l.T, calls)
	}
}

// A leasedFill is one of FillManyLeased, and what became of it.
type leasedFill struct {
	key   string
	lease uint64
	meta  meta

	kept    meta // without a Version: nothing was
	watched bool
	err     error
}

// fillManyLeased is FillManyLeased. value encodes the value of the fill at i.
func (s *view) fillManyLeased(ctx context.Context, fills []leasedFill, value func(i int, dst []byte, full string) ([]byte, error)) {
	keyAt := func(i int) string { return fills[i].key }
	errs := s.scripts(ctx, "fill many", len(fills), keyAt, func(call context.Context, l *link.Pair, full []string, which []int, errs []error) {
		s.fillMany(call, l, fills, value, full, which, errs)
	})
	for i, err := range errs {
		f := &fills[i]
		s.releaseUnanswered(f.key, f.lease, err) // if it has not been filled
		switch f.err = err; {
		case err == nil:
			s.stats.sets.Add(1)
		case !cannotStore(err):
			f.kept, f.watched = meta{}, false
		}
	}
}

// fillMany makes those fills that which names, and sets what became of them.
func (s *view) fillMany(ctx context.Context, l *link.Pair, fills []leasedFill, value func(i int, dst []byte, full string) ([]byte, error), full []string, which []int, errs []error) {
	sent := store.Now()
	writes, calls := make([]write, 0, len(which)), make([]script.Call, 0, len(which))
	made := make([]int, 0, len(which))
	var noted []int
	for _, i := range which {
		w, err := s.encode(ctx, full[i], &fills[i].meta, func(dst []byte, full string) ([]byte, error) { return value(i, dst, full) })
		if errs[i] = err; cannotStore(err) {
			noted = append(noted, i)
		} else if err == nil {
			made, writes = append(made, i), append(writes, w)
			calls = append(calls, fillCall(&w, "T", fills[i].lease))
		}
	}
	s.noteManyUnstorable(ctx, l, fills, full, noted)
	kept := slices.DeleteFunc(noted, func(i int) bool { return fills[i].kept.Version == 0 })
	var changed []string
	for j, r := range script.RunMany(ctx, l.T, calls) {
		i, w := made[j], &writes[j]
		var life record.Life
		if errs[i] = s.sent(ctx, w, r); errs[i] == nil {
			life, errs[i] = fillReply(w, r)
		}
		if errs[i] == nil {
			f := &fills[i]
			f.kept, f.watched = s.filled(&f.meta, w, life, sent)
			kept, changed = append(kept, i), append(changed, full[i])
		}
	}
	if len(changed) > 0 {
		s.client.watchers.Changed(changed, s)
	}
	s.refuseOld(ctx, l, fills, kept, errs)
}

// refuseOld finds those that kept names lost if their tags were invalidated meanwhile.
func (s *view) refuseOld(ctx context.Context, l *link.Pair, fills []leasedFill, kept []int, errs []error) {
	now := store.Now()
	kept = slices.DeleteFunc(kept, func(i int) bool { return fills[i].kept.Expired(now) })
	got := make([]fetched, len(kept))
	for j, i := range kept {
		got[j].found = true
		e := &fills[i].kept
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
func (s *view) scripts(ctx context.Context, op string, n int, keyAt func(int) string, f func(call context.Context, l *link.Pair, full []string, which []int, errs []error)) []error {
	ctx, end := store.Observe(ctx, s.observer, s.op(op, "", n))
	full, errs := make([]string, n), make([]error, n)
	which := make([]int, 0, n)
	for i := range n {
		if full[i], errs[i] = s.redisKey(keyAt(i)); errs[i] == nil {
			which = append(which, i)
		}
	}
	for part := range slices.Chunk(which, script.MaxPipeline) {
		s.scriptsOnce(ctx, full, part, errs, f)
	}
	var first error
	for i, err := range errs {
		switch {
		case err == nil, errors.Is(err, store.ErrLeaseLost):
		case first == nil: // it is one operation
			first = s.fail(ctx, op, keyAt(i), err)
			errs[i] = first
		default:
			errs[i] = s.error(ctx, op, keyAt(i), err)
		}
	}
	if first == nil && len(which) > 0 {
		s.answered(keyAt(which[0]))
	}
	end(0, first)
	return errs
}

// scriptsOnce calls f for which, and again where the connection broke.
func (s *view) scriptsOnce(ctx context.Context, full []string, which []int, errs []error, f func(call context.Context, l *link.Pair, full []string, which []int, errs []error)) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	for try := 1; len(which) > 0; try++ {
		names := make([]string, len(which))
		for j, i := range which {
			names[j] = full[i]
		}
		l, err := s.reading(call, names...)
		if err == nil {
			f(call, l, full, which, errs)
		} else {
			for _, i := range which {
				errs[i] = err
			}
		}
		if try == link.MaxTries {
			return
		}
		which = slices.DeleteFunc(slices.Clone(which), func(i int) bool { return !link.IsBroken(call, errs[i]) })
	}
}

// noteManyUnstorable is noteUnstorable for those fills that which names, and sets what became
// of them.
func (s *view) noteManyUnstorable(ctx context.Context, l *link.Pair, fills []leasedFill, full []string, which []int) {
	if len(which) == 0 {
		return
	}
	calls := make([]script.Call, len(which))
	for j, i := range which {
		calls[j] = unstorableCall(full[i], fills[i].lease, &fills[i].meta)
	}
	for j, r := range script.RunMany(ctx, l.T, calls) {
		i := which[j]
		fills[i].kept, fills[i].watched = s.noted(r, full[i], fills[i].lease, &fills[i].meta)
	}
}
