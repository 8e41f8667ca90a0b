package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Recheck tells whether the entry under key is still e, as [store.Rechecker]
// describes it, with one exchange that does not move the value.
func (s *Store[T]) Recheck(ctx context.Context, key string, e store.Entry[T]) (store.Entry[T], error) {
	full, err := s.redisKey(key)
	if err != nil {
		return store.Entry[T]{}, s.fail(ctx, "recheck", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("recheck", key, 1))
	same, err := s.recheck(ctx, full, &e)
	switch {
	case err != nil:
		err = s.fail(ctx, "recheck", key, err)
		end(0, err)
		return store.Entry[T]{}, err
	case !same:
		s.answered(key)
		end(0, nil)
		return store.Entry[T]{}, store.ErrNotFound
	}
	s.answered(key)
	end(1, nil)
	return e, nil
}

// recheck renews the times of e if the record is still of its version.
func (s *Store[T]) recheck(ctx context.Context, full string, e *store.Entry[T]) (same bool, err error) {
	call, cancel := s.reads.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		same, err = s.recheckOnce(call, full, e)
		if try == maxTries || !isBroken(call, err) {
			return same, err
		}
	}
}

func (s *Store[T]) recheckOnce(ctx context.Context, full string, e *store.Entry[T]) (same bool, err error) {
	moves := s.client.pulse.moves.Load()
	l, err := s.heard(ctx, full)
	if err != nil {
		return false, err
	}
	if s.client.asks() {
		same, err = s.recheckAsking(ctx, l, full, e)
	} else {
		sent := store.Now()
		r := l.t.DoMulti(ctx, recheckCommands(l, full)...)
		if same, err = s.isStill(ctx, full, r, sent, e); same {
			same, err = s.current(ctx, l, e.Tags, e.Stamp, e.ExpiresAt)
		}
	}
	err = firstOf(err, s.client.pulse.unmoved(moves))
	return same && err == nil, err
}

// recheckAsking asks for the last Clear and the tags in the same exchange.
func (s *Store[T]) recheckAsking(ctx context.Context, l *links, full string, e *store.Entry[T]) (same bool, err error) {
	if s.tags.pending.any(e.Tags) { // see asked
		return false, nil
	}
	asks, names := s.asksAbout(tagNeedsOf(e.Tags, e.ExpiresAt))
	sent := store.Now()
	cmds, q := question(l, asks, recheckCommands(l, full))
	r := l.t.DoMulti(ctx, cmds...)
	if same, err = s.isStill(ctx, full, r, sent, e); err != nil || !same {
		return false, err
	}
	values, err := s.tags.answers(ctx, l, asks, &q, r, s.client.maxStale > 0)
	if err != nil || !readingsOf(values, names).current(e.Tags, e.Stamp) {
		return false, err
	}
	s.tags.outlast(e.Tags, e.ExpiresAt)
	return true, nil
}

func recheckCommands(l *links, full string) []rueidis.Completed {
	b := l.t.B()
	return []rueidis.Completed{b.Pttl().Key(full).Build(), b.Getrange().Key(full).Start(0).End(headerSize - 1).Build()}
}

// isStill renews the times of e if r, the replies to recheckCommands, are of its version.
func (s *Store[T]) isStill(ctx context.Context, full string, r []rueidis.RedisResult, sent store.Time, e *store.Entry[T]) (same bool, err error) {
	pttl, err := r[0].AsInt64()
	if err != nil {
		return false, err
	}
	head, err := r[1].AsBytes()
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	if pttl == -2 || len(head) < headerSize || beUint64(head[offID:]) != e.Version {
		return false, nil
	}
	if isUnstorable(head) { // e is in memory alone, with times of its own
		return true, nil
	}
	if kindOf(head) != kindValue {
		return false, nil
	}
	l1 := life{keepMs: beUint32(head[offKeep:]), endless: head[2]&flagEndless != 0}
	if pttl != -1 {
		l1.ms = pttl
		if head[2]&flagProvisional != 0 {
			l1.ms, l1.keepMs = pttl-int64(l1.keepMs), 0
		}
		if l1.ms <= 0 { // it is over, or ends this millisecond
			return false, nil
		}
	}
	e.ExpiresAt, e.StaleAt = l1.times(sent)
	return true, nil
}
