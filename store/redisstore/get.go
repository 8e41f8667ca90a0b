package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

// read is Get: it reads the entry into e, a zero meta, and its value into decode.
func (s *view) read(ctx context.Context, key string, e *meta, decode decoder) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, "get", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("get", key, 1))
	found, err := s.get(ctx, full, e, decode)
	if err != nil {
		*e = meta{}
		err = s.fail(ctx, "get", key, err)
		end(0, err)
		return err
	}
	s.answered(key)
	if !found {
		*e = meta{Version: e.Version}
		s.stats.misses.Add(1)
		end(0, nil)
		return store.ErrNotFound
	}
	s.stats.hits.Add(1)
	end(1, nil)
	return e.MissError()
}

// get reads what is under full into e, a zero entry: they are large, and each copy
// costs. If it finds an entry that is not current, it leaves that there and returns
// false.
func (s *view) get(ctx context.Context, full string, e *meta, decode decoder) (found bool, err error) {
	replicas := s.asksReplicas(ctx) // call may not have what marks ctx
	now := time.Now()               // read once: it costs as much as the rest of begin
	call, cancel := s.reads.BeginAt(ctx, now)
	defer cancel()
	for try := 1; ; try++ {
		moves := s.client.heartbeat.Generation.Load()
		l, err := s.reading(call, full)
		if err != nil {
			return false, err
		}
		switch {
		case s.client.link.MaxStale > 0 && !s.plain:
			found, err = s.getAsking(call, l, full, now, e, decode)
		default:
			found, err = s.getRemote(call, l, full, now, replicas, e, decode)
		}
		if found && (s.client.link.MaxStale == 0 || s.plain) {
			found, err = s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt)
		}
		err = link.FirstOf(err, s.client.heartbeat.Unchanged(moves))
		if try == link.MaxTries || !link.IsBroken(call, err) {
			return found, err
		}
		*e, now = meta{}, time.Now()
	}
}

// getRemote sends GET alone where the record has its end and the clock of the
// server is known, which is half of the work for both sides. sent is the time, or a
// little earlier.
func (s *view) getRemote(ctx context.Context, l *link.Pair, full string, sent time.Time, replicas bool, e *meta, decode decoder) (found bool, err error) {
	clock := s.client.heartbeat.Clock.Load()
	if clock == nil || s.plain {
		return s.getPair(ctx, l, full, replicas, e, decode)
	}
	blob, err := l.T.Do(ctx, valueCommand(l, full, replicas)).AsBytes()
	if replicas && record.IsBeginning(blob) {
		if blob = s.completed(ctx, full, blob); blob == nil {
			blob, err = l.T.Do(ctx, valueCommand(l, full, false)).AsBytes()
		}
	}
	found, known, err := s.answerAt(ctx, full, clock, sent, blob, err, e, decode)
	if !known {
		return s.getPair(ctx, l, full, false, e, decode)
	}
	return found, err
}

// getPair asks for the life first: if the key is replaced between the two
// commands, the push of the change comes before the value, and a tier that keeps
// copies knows that this one is suspect.
func (s *view) getPair(ctx context.Context, l *link.Pair, full string, replicas bool, e *meta, decode decoder) (found bool, err error) {
	sent := store.Now()
	r := l.T.DoMulti(ctx, l.T.B().Pttl().Key(full).Build(), valueCommand(l, full, replicas))
	blob, err := r[1].AsBytes()
	if replicas && record.IsBeginning(blob) {
		if blob = s.completed(ctx, full, blob); blob == nil {
			return s.getPair(ctx, l, full, false, e, decode)
		}
	}
	return s.answer(ctx, full, sent, r[0], blob, err, e, decode)
}
