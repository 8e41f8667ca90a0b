package redisstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// Lease asks for the right to load the entry under key, as [store.Leaser] describes it, with one
// exchange, and another one for the clock of the tags if that has changed. The record has the
// lease, by the clock of the server. No two leases are equal.
func (s *view) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	var lease uint64
	var g store.Grant
	var lost string // where a lease may have been given
	err := s.script(ctx, "lease", key, func(call context.Context, l *link.Pair, full string) error {
		if lease != 0 { // it may have been given, and nobody would end it
			_ = script.Release.Run(call, l.T, full, record.Bytes8(lease), "0", "").Error()
		}
		lease = record.NewID()
		if mutant.OneToken.Load() {
			lease = oneToken
		}
		stamp, cleared, err := s.leaseStamp(call, l)
		if err != nil {
			return err
		}
		lost = ""
		reply, err := script.Lease.Run(call, l.T, full, leaseArgs(lease, d, not, stamp, cleared)...).ToArray()
		if script.MayHaveRun(err) {
			lost = full
		}
		if err == nil {
			g, err = parseGrant(reply, lease, stamp)
		}
		return err
	})
	if err != nil && lost != "" {
		s.releaseLost(lost, lease, d)
	}
	g.NotifiesOwn = g.Lease == lease && len(s.client.link.Broadcast) > 0 // nothing is done with one that is everybody's
	return g, err
}

// leaseStamp returns a reading of the clock for what is loaded after the call, and when
// the store was cleared last.
func (s *view) leaseStamp(ctx context.Context, l *link.Pair) (stamp, cleared uint64, err error) {
	if s.client.link.MaxStale > 0 && !s.plain {
		return s.stampAsking(ctx, l)
	}
	if stamp, err = s.stamp(ctx, l, nil, 0); err == nil {
		cleared, err = s.clearedAt(ctx, l)
	}
	return stamp, cleared, err
}

// leaseArgs are the arguments of the script.
func leaseArgs(lease uint64, d time.Duration, not, stamp, cleared uint64) []string {
	if mutant.OldLease.Load() {
		stamp, cleared = 0, 0
	}
	return []string{record.Bytes8(lease), script.Decimal(record.LeaseMs(d)), record.Bytes8(not), record.Bytes8(stamp), record.Bytes8(cleared)}
}

// oneToken is what mutant.OneToken gives for a token.
var oneToken = record.NewID()

// parseGrant reads the reply to a request for lease that had the stamp.
func parseGrant(reply []rueidis.RedisMessage, lease, stamp uint64) (g store.Grant, err error) {
	states := []store.LeaseState{store.Granted, store.Taken, store.BackedOff, store.Fresh, store.Granted}
	if len(reply) != 4 {
		return g, link.ErrBadReply
	}
	status, err1 := reply[0].AsInt64()
	left, err2 := reply[1].AsInt64()
	id, err3 := reply[2].ToString()
	why, err4 := reply[3].ToString()
	if err := oneline.Join(err1, err2, err3, err4); err != nil || status < 1 || status > 5 || status == 5 && len(why) != 8 {
		return g, link.ErrBadReply
	}
	g = store.Grant{State: states[status-1], Left: time.Duration(left) * time.Millisecond, Stamp: stamp}
	switch {
	case status == 5:
		g.Lease = record.Uint64([]byte(why))
	case g.State == store.Granted:
		g.Lease = lease
	case g.State == store.BackedOff:
		g.Why = why
	case g.State == store.Taken && len(why) == 16:
		g.Holder = record.Uint64([]byte(why))
		g.Overtaken = record.Uint64([]byte(why[8:])) < stamp
	}
	if len(id) == 8 {
		g.Version = record.Uint64([]byte(id))
	}
	return g, nil
}

// fillLeased is FillLeased. It leaves in e what was kept: without a Version nothing was.
func (s *view) fillLeased(ctx context.Context, key string, lease uint64, e *meta, value encoder) (watched bool, err error) {
	var kept meta
	err = s.script(ctx, "fill", key, func(call context.Context, l *link.Pair, full string) (err error) {
		kept, watched, err = s.fillIf(call, l, full, "T", lease, e, value)
		if noted := cannotStore(err) && kept.Version != 0; err != nil && !noted || kept.Expired(store.Now()) {
			return err
		}
		ok, asked := s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt)
		if asked == nil && !ok {
			err = store.ErrLeaseLost
		}
		return cmp.Or(err, asked)
	})
	s.releaseUnanswered(key, lease, err) // if it has not been filled
	return s.keptOf(e, &kept, watched, err)
}

// keptOf leaves in e what was kept with the error err: nothing, unless err says that it
// could not be stored.
func (s *view) keptOf(e, kept *meta, watched bool, err error) (bool, error) {
	switch {
	case err == nil:
		s.stats.sets.Add(1)
	case !cannotStore(err):
		*e = meta{}
		return false, err
	}
	*e = *kept
	return watched, err
}

// fillIf keeps e if the record has this lease ("T") or this id ("C").
func (s *view) fillIf(ctx context.Context, l *link.Pair, full, what string, want uint64, e *meta, value encoder) (kept meta, watched bool, err error) {
	sent := store.Now()
	w, err := s.encode(ctx, full, e, value)
	if err != nil {
		kept, watched = s.noteUnstorable(ctx, l, full, want, e, err)
		return kept, watched, err
	}
	x := fillCall(&w, what, want)
	reply := x.Run(ctx, l.T, x.Key, x.Args...)
	if err = s.sent(ctx, &w, reply); err != nil {
		return kept, false, err
	}
	life, err := fillReply(&w, reply)
	if err != nil {
		return kept, false, err
	}
	s.client.watchers.Changed([]string{full}, s)
	kept, watched = s.filled(e, &w, life, sent)
	return kept, watched, nil
}

// fillCall is the script that makes the write if the record has what is wanted.
func fillCall(w *write, what string, want uint64) script.Call {
	var blob string
	if w.MS >= 0 {
		blob = rueidis.BinaryString(*w.buf)
	}
	return script.Fill.Call(w.key, what, record.Bytes8(want), blob, script.Decimal(max(w.MS, 0)))
}

// fillReply reads the reply of the script: the life that the entry has got.
func fillReply(w *write, r rueidis.RedisResult) (l record.Life, err error) {
	reply, err := r.AsIntSlice()
	switch {
	case err != nil:
		return l, err
	case len(reply) == 1 && reply[0] == 0:
		return l, store.ErrLeaseLost
	case len(reply) == 1 && reply[0] == -1:
		return l, errFull
	case len(reply) != 3:
		return l, link.ErrBadReply
	}
	if capped := reply[2] == 1; capped {
		return record.LifeCapped(reply[1]), nil
	}
	return w.Life, nil
}

// filled returns e as the write has kept it.
func (s *view) filled(e *meta, w *write, l record.Life, sent store.Time) (kept meta, watched bool) {
	kept = *e
	if w.MS < 0 {
		return kept, false
	}
	kept.Version, kept.Size = w.id, w.size
	kept.ExpiresAt, kept.StaleAt = l.Times(sent)
	// With broadcasts Redis pushes this script as any write.
	return kept, len(s.client.link.Broadcast) == 0
}

// Renew makes a lease last longer, as [store.Leaser] describes it.
func (s *view) Renew(ctx context.Context, key string, lease uint64, d time.Duration) error {
	return s.script(ctx, "renew", key, func(call context.Context, l *link.Pair, full string) error {
		return stands(script.Renew.Run(call, l.T, full, record.Bytes8(lease), script.Decimal(record.LeaseMs(d))))
	})
}

// Release ends a lease, as [store.Leaser] describes it. Watchers of other stores of the same
// client are notified, those of this store are not.
func (s *view) Release(ctx context.Context, key string, lease uint64, backOff time.Duration, why string) error {
	err := s.script(ctx, "release", key, func(call context.Context, l *link.Pair, full string) error {
		err := stands(script.Release.Run(call, l.T, full, record.Bytes8(lease), script.Decimal(max(0, backOff.Milliseconds())), why))
		if err == nil {
			s.client.watchers.Changed([]string{full}, s)
		}
		return err
	})
	s.releaseUnanswered(key, lease, err)
	return err
}

// stands reads the reply of a script that says whether the lease stood.
func stands(r rueidis.RedisResult) error {
	n, err := r.AsInt64()
	if err == nil && n != 1 {
		return store.ErrLeaseLost
	}
	return err
}

// script does what all scripts of a lease need around them. f may be called again
// after a connection broke: what it did then is found done. That a lease was lost, or
// an entry has changed, is an answer, and no failure.
func (s *view) script(ctx context.Context, op, key string, f func(context.Context, *link.Pair, string) error) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, op, key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op(op, key, 1))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		var l *link.Pair
		if l, err = s.reading(call, full); err == nil {
			err = f(call, l, full)
		}
		if try == link.MaxTries || !link.IsBroken(call, err) {
			break
		}
	}
	switch {
	case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrChanged):
		s.answered(key)
		end(0, nil)
		return err
	case err != nil:
		err = s.fail(ctx, op, key, err)
	default:
		s.answered(key)
	}
	end(0, err)
	return err
}

// unanswered reports whether Redis has not answered the script that would have ended a lease
// or a claim. It was perhaps not sent: other processes would wait until the end of the lease.
func unanswered(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || script.MayHaveRun(err)
}

// releaseUnanswered releases a lease later, if err says that Redis has not answered its fill
// or its release.
func (s *view) releaseUnanswered(key string, lease uint64, err error) {
	if !unanswered(err) {
		return
	}
	if full, err := s.redisKey(key); err == nil {
		s.releaseLost(full, lease, 0)
	}
}

// releaseLost releases a lease, if it was given: its reply was given up.
func (s *view) releaseLost(full string, lease uint64, d time.Duration) {
	s.client.undo.Undo(false, max(d, script.MinUndo), script.Release.Call(full, record.Bytes8(lease), "0", ""))
}
