package tagclock

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// Stamp returns a reading of the clock, from memory where it has one.
func (t *Clock) Stamp(ctx context.Context, l *link.Pair) (uint64, error) {
	if v := t.clock.Value.Load(); v != 0 && !t.heartbeat.Asks() {
		return v, nil
	}
	return t.ReadClock(ctx, l)
}

// ReadClock asks Redis for the reading of the clock. One that was lost is created again,
// above all earlier readings, if the clock of the server was not set back.
func (t *Clock) ReadClock(ctx context.Context, l *link.Pair) (uint64, error) {
	mark := t.clock.Mark()
	r := link.Retried(ctx, func() rueidis.RedisResult { return l.T.Do(ctx, l.T.B().Get().Key(t.ClockKey()).Build()) })
	text, err := r.ToString()
	if v, ok := parseReading(text); err == nil && ok {
		t.clock.Keep(mark, v)
		return v, nil
	}
	if reply, ok := rueidis.IsRedisErr(err); err != nil && !rueidis.IsRedisNil(err) &&
		!(ok && errors.Is(link.ReplyCause(reply.Error(), err), store.ErrWrongType)) {
		return 0, err
	}
	text, err = link.Retried(ctx, func() rueidis.RedisResult { return script.Tick.Run(ctx, l.W, t.ClockKey(), "seed") }).ToString()
	if err != nil {
		return 0, err
	}
	v, ok := parseReading(text)
	if !ok {
		return 0, link.ErrBadReply
	}
	return v, nil
}
