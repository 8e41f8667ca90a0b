package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
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
	sent := store.Now()
	b := l.t.B()
	r := l.t.DoMulti(ctx, b.Pttl().Key(full).Build(), b.Getrange().Key(full).Start(0).End(headerSize-1).Build())
	pttl, err := r[0].AsInt64()
	if err != nil {
		return false, err
	}
	head, err := r[1].AsBytes()
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	if pttl == -2 || len(head) < headerSize || kindOf(head) != kindValue || beUint64(head[offID:]) != e.Version {
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
	same, err = s.current(ctx, l, e.Tags, e.Stamp, e.ExpiresAt)
	return same && err == nil, firstOf(err, s.client.pulse.unmoved(moves))
}
