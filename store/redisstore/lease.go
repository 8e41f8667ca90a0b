package redisstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Lease asks for the right to load the entry under key, as [store.Leaser]
// describes it, with one exchange, and another one for the clock of the tags if that
// has changed. The lease is kept in the record itself, by the
// clock of the server, and is different each time it is given.
func (s *Store[T]) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	var lease uint64
	var g store.Grant
	var lost string // where a lease may have been given
	err := s.script(ctx, "lease", key, func(call context.Context, l *links, full string) error {
		if lease != 0 { // it may have been given, and nobody would end it
			_ = releaseScript.run(call, l.t, full, bytes8(lease), "0", "").Error()
		}
		lease = newID()
		if mutant.OneToken.Load() {
			lease = oneToken
		}
		stamp, cleared, err := s.leaseStamp(call, l)
		if err != nil {
			return err
		}
		lost = ""
		reply, err := leaseScript.run(call, l.t, full, leaseArgs(lease, d, not, stamp, cleared)...).ToArray()
		if mayHaveRun(err) {
			lost = full
		}
		if err == nil {
			g, err = parseGrant(reply, lease, stamp)
		}
		return err
	})
	if err != nil && lost != "" {
		s.releaseLate(lost, lease, d)
	}
	g.Told = g.Lease == lease && len(s.client.broadcast) > 0 // nothing is done with one that is everybody's
	return g, err
}

// leaseStamp returns a reading of the clock for what is loaded after the call, and when
// the store was cleared last.
func (s *Store[T]) leaseStamp(ctx context.Context, l *links) (stamp, cleared uint64, err error) {
	if s.client.maxStale > 0 && !s.plain {
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
	return []string{bytes8(lease), decimal(leaseMs(d)), bytes8(not), bytes8(stamp), bytes8(cleared)}
}

// oneToken is what mutant.OneToken gives for a token.
var oneToken = newID()

// leaseMs returns a length in milliseconds that a script may be given.
func leaseMs(d time.Duration) int64 { return min(max(1, d.Milliseconds()), maxLife) }

var errBadReply = errors.New("a script answered what it never does")

// parseGrant reads the reply to a request for lease that had the stamp.
func parseGrant(reply []rueidis.RedisMessage, lease, stamp uint64) (g store.Grant, err error) {
	states := []store.LeaseState{store.Granted, store.Taken, store.BackedOff, store.Fresh, store.Granted}
	if len(reply) != 4 {
		return g, errBadReply
	}
	status, err1 := reply[0].AsInt64()
	left, err2 := reply[1].AsInt64()
	id, err3 := reply[2].ToString()
	why, err4 := reply[3].ToString()
	if err := oneline.Join(err1, err2, err3, err4); err != nil || status < 1 || status > 5 || status == 5 && len(why) != 8 {
		return g, errBadReply
	}
	g = store.Grant{State: states[status-1], Left: time.Duration(left) * time.Millisecond, Stamp: stamp}
	switch {
	case status == 5:
		g.Lease = beUint64([]byte(why))
	case g.State == store.Granted:
		g.Lease = lease
	case g.State == store.BackedOff:
		g.Why = why
	case g.State == store.Taken && len(why) == 16:
		g.Holder = beUint64([]byte(why))
		g.Overtaken = beUint64([]byte(why[8:])) < stamp
	}
	if len(id) == 8 {
		g.Version = beUint64([]byte(id))
	}
	return g, nil
}

// FillLeased keeps what was loaded under a lease, as [store.Leaser] describes it,
// with one exchange. A full Redis that may not evict is ErrTooLarge, and what was
// under the key is gone. With [Dialer.Broadcast] it is never watched, because Redis
// tells of it as of any change: Recheck says whether the entry may be kept.
func (s *Store[T]) FillLeased(ctx context.Context, key string, lease uint64, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	err = s.script(ctx, "fill", key, func(call context.Context, l *links, full string) (err error) {
		if kept, watched, err = s.fillIf(call, l, full, "T", lease, &e); mayHaveRun(err) {
			s.releaseLate(full, lease, 0) // if it has not been filled
		}
		if noted := cannotStore(err) && kept.Version != 0; err != nil && !noted || kept.Expired(store.Now()) {
			return err
		}
		ok, asked := s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt)
		if asked == nil && !ok {
			err = store.ErrLeaseLost
		}
		return cmp.Or(err, asked)
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

// fillIf keeps e if the record has this lease ("T") or this id ("C").
func (s *Store[T]) fillIf(ctx context.Context, l *links, full, what string, want uint64, e *store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	sent := store.Now()
	w, err := s.encode(ctx, full, e)
	if err != nil {
		kept, watched = s.noteUnstorable(ctx, l, full, want, e, err)
		return kept, watched, err
	}
	c, tells := s.fillsOn(l)
	x := fillCall(&w, what, want)
	reply := x.run(ctx, c, x.key, x.args...)
	if err = s.sent(ctx, &w, reply); err != nil {
		return kept, false, err
	}
	life, err := fillReply(&w, reply)
	if err == nil {
		err = s.settle(ctx, l, full)
	}
	if err != nil {
		return kept, false, err
	}
	if !tells {
		s.client.watchers.tell([]string{full}, s)
	}
	kept, watched = s.filled(e, &w, life, sent, tells)
	return kept, watched, nil
}

// fillsOn returns the connection that fills go over, and whether Redis tells all
// watchers of the client of what is written on it.
func (s *Store[T]) fillsOn(l *links) (c rueidis.Client, tells bool) {
	if s.client.clientSide.Load() {
		return l.w, true // what T answers from its own cache must be told of the write, too
	}
	return l.t, false
}

// fillCall is the script that makes the write if the record has what is wanted.
func fillCall(w *write, what string, want uint64) scriptCall {
	var blob string
	if w.ms >= 0 {
		blob = rueidis.BinaryString(*w.buf)
	}
	return scriptCall{&fillScript, w.key, []string{what, bytes8(want), blob, decimal(max(w.ms, 0))}}
}

// fillReply reads the reply of the script: the life that the entry has got.
func fillReply(w *write, r rueidis.RedisResult) (l life, err error) {
	reply, err := r.AsIntSlice()
	switch {
	case err != nil:
		return l, err
	case len(reply) == 1 && reply[0] == 0:
		return l, store.ErrLeaseLost
	case len(reply) == 1 && reply[0] == -1:
		return l, errFull
	case len(reply) != 3:
		return l, errBadReply
	}
	if capped := reply[2] == 1; capped {
		return lifeCapped(reply[1]), nil
	}
	return w.life, nil
}

// filled returns e as the write has kept it.
func (s *Store[T]) filled(e *store.Entry[T], w *write, l life, sent store.Time, tells bool) (kept store.Entry[T], watched bool) {
	kept = *e
	if w.ms < 0 {
		return kept, false
	}
	kept.Version, kept.Size = w.id, w.size
	kept.ExpiresAt, kept.StaleAt = l.times(sent)
	// A broadcast tells of this script as of any write.
	return kept, !tells && len(s.client.broadcast) == 0
}

// lifeCapped is the life of a value that ends with a hold, or before; for one that
// was stale already, the shortest there is.
func lifeCapped(ms int64) life { return life{ms: max(1, ms)} }

// Renew makes a lease last longer, as [store.Leaser] describes it.
func (s *Store[T]) Renew(ctx context.Context, key string, lease uint64, d time.Duration) error {
	return s.script(ctx, "renew", key, func(call context.Context, l *links, full string) error {
		return stands(renewScript.run(call, l.t, full, bytes8(lease), decimal(leaseMs(d))))
	})
}

// Release ends a lease, as [store.Leaser] describes it. Watchers of other stores
// of the same client are told; those of this one know.
func (s *Store[T]) Release(ctx context.Context, key string, lease uint64, backOff time.Duration, why string) error {
	return s.script(ctx, "release", key, func(call context.Context, l *links, full string) error {
		err := stands(releaseScript.run(call, l.t, full, bytes8(lease), decimal(max(0, backOff.Milliseconds())), why))
		if mayHaveRun(err) {
			s.releaseLate(full, lease, 0)
		}
		if err == nil {
			s.client.watchers.tell([]string{full}, s)
		}
		return err
	})
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
func (s *Store[T]) script(ctx context.Context, op, key string, f func(context.Context, *links, string) error) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, op, key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op(op, key, 1))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		var l *links
		if l, err = s.heard(call, full); err == nil {
			err = f(call, l, full)
		}
		if try == maxTries || !isBroken(call, err) {
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
