package redisstore

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// refreshKey is the Redis key of the claim to load this version of the entry under
// the Redis key full again.
func (s *view) refreshKey(full string, version uint64) string {
	return s.tags.Prefix + "r:" + full + ":" + strconv.FormatUint(version, 16)
}

// Claim asks for the right to refresh an entry, as [store.Filler] describes it, with one
// exchange, and another one for the clock of the tags if that has changed. The claim is a
// separate key, which no process reads over T. So Redis pushes it only with broadcast, and it is
// no copy's key.
func (s *view) Claim(ctx context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	g := store.Grant{State: store.Granted, Lease: record.NewID(), Left: d, Version: version}
	claimed := g.Lease
	err := s.script(ctx, "claim", key, func(call context.Context, l *link.Pair, full string) (err error) {
		if g.Stamp, err = s.stamp(call, l, nil, 0); err != nil {
			return err
		}
		claim, b := s.refreshKey(full, version), l.W.B()
		r := l.W.DoMulti(call,
			b.Set().Key(claim).Value(record.Bytes8(g.Lease)).Nx().PxMilliseconds(record.LeaseMs(d)).Build(),
			b.Pttl().Key(claim).Build())
		err = r[0].Error()
		if script.MayHaveRun(err) {
			s.client.undo.Undo(true, script.MinUndo, script.EndClaim.Call(claim, record.Bytes8(claimed), "0"))
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

// EndClaim ends a claim, as [store.Filler] describes it.
func (s *view) EndClaim(ctx context.Context, key string, version, claim uint64, d time.Duration) error {
	var ms int64
	if d > 0 {
		ms = record.LeaseMs(d)
	}
	end := func(full string) script.Call {
		return script.EndClaim.Call(s.refreshKey(full, version), record.Bytes8(claim), script.Decimal(ms))
	}
	err := s.script(ctx, "end claim", key, func(call context.Context, l *link.Pair, full string) error {
		x := end(full)
		return stands(x.Run(call, l.W, x.Key, x.Args...))
	})
	if full, bad := s.redisKey(key); bad == nil && unanswered(err) {
		s.client.undo.Undo(true, script.MinUndo, end(full))
	}
	return err
}

// replace is Replace. It leaves in e what was kept: without a Version nothing was.
func (s *view) replace(ctx context.Context, key string, version uint64, e *meta, value encoder) (watched bool, err error) {
	var kept meta
	err = s.script(ctx, "replace", key, func(call context.Context, l *link.Pair, full string) (err error) {
		if e.Stamp == 0 {
			if e.Stamp, err = s.stampOf(call, l, e); err != nil {
				return err
			}
		}
		// A record with tags that were invalidated may be under a lease, which is
		// not to be broken for nothing.
		if ok, err := s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt); err != nil || !ok {
			return cmp.Or(err, store.ErrChanged)
		}
		kept, watched, err = s.fillIf(call, l, full, "C", version, e, value)
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
	return s.keptOf(e, &kept, watched, err)
}
