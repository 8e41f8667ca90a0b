package redisstore

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// refreshKey is the Redis key of the claim to load this version of the entry under
// the Redis key full anew.
func (s *Store[T]) refreshKey(full string, version uint64) string {
	return s.tags.prefix + "r:" + full + ":" + strconv.FormatUint(version, 16)
}

// Claim asks for the right to load an entry anew, as [store.Refresher] describes it,
// with one exchange, and another one for the clock of the tags if that has changed.
// The claim is a key of its own, which nobody reads over T, so that nobody is pushed it
// but by broadcast; and then it is nobody's copy that changes.
func (s *Store[T]) Claim(ctx context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	g := store.Grant{State: store.Granted, Lease: newID(), Left: d, Version: version}
	claimed := g.Lease
	err := s.script(ctx, "claim", key, func(call context.Context, l *links, full string) (err error) {
		if g.Stamp, err = s.stamp(call, l, nil, 0); err != nil {
			return err
		}
		claim, b := s.refreshKey(full, version), l.w.B()
		r := l.w.DoMulti(call,
			b.Set().Key(claim).Value(bytes8(g.Lease)).Nx().PxMilliseconds(leaseMs(d)).Build(),
			b.Pttl().Key(claim).Build())
		err = r[0].Error()
		if mayHaveRun(err) {
			s.client.undo(true, minLate, scriptCall{&endClaimScript, claim, []string{bytes8(claimed), "0"}})
		}
		if !rueidis.IsRedisNil(err) {
			return err
		}
		left, err := r[1].AsInt64()
		g.State, g.Lease, g.Left = store.Taken, 0, time.Duration(max(left, 0))*time.Millisecond
		return err
	})
	if err != nil {
		return store.Grant{}, err
	}
	return g, nil
}

// EndClaim ends a claim, as [store.Refresher] describes it.
func (s *Store[T]) EndClaim(ctx context.Context, key string, version, claim uint64, d time.Duration) error {
	return s.script(ctx, "end claim", key, func(call context.Context, l *links, full string) error {
		var ms int64
		if d > 0 {
			ms = leaseMs(d)
		}
		return stands(endClaimScript.run(call, l.w, s.refreshKey(full, version), bytes8(claim), decimal(ms)))
	})
}

// Replace keeps e in the place of the entry of this version, as [store.Refresher]
// describes it, with one exchange. See FillLeased.
func (s *Store[T]) Replace(ctx context.Context, key string, version uint64, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	err = s.script(ctx, "replace", key, func(call context.Context, l *links, full string) (err error) {
		if e.Stamp == 0 {
			if e.Stamp, err = s.stampOf(call, l, &e); err != nil {
				return err
			}
		}
		// A record with tags that were invalidated may be under a lease, which is
		// not to be broken for nothing.
		if ok, err := s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt); err != nil || !ok {
			return cmp.Or(err, store.ErrChanged)
		}
		kept, watched, err = s.fillIf(call, l, full, "C", version, &e)
		if errors.Is(err, store.ErrLeaseLost) {
			err = store.ErrChanged
		}
		if err != nil || kept.Expired(store.Now()) {
			return err
		}
		ok, err := s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt)
		if err == nil && !ok {
			err = store.ErrChanged
		}
		return err
	})
	switch {
	case cannotStore(err):
		return kept, watched, err
	case err != nil:
		return store.Entry[T]{}, false, err
	}
	s.stats.sets.Add(1)
	return kept, watched, nil
}
