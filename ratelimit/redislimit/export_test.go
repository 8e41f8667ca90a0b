package redislimit

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/meter"
)

// MaxKey is the length of the longest key that is not hashed.
const MaxKey = maxKey

// Ask asks Redis for one, whatever is remembered, and returns the time of the server
// that it decided by, in microseconds.
func (l *Limiter) Ask(ctx context.Context, key string) (allowed bool, now int64, err error) {
	var a answer
	err = l.conn.do(ctx, key, func(ctx context.Context, c rueidis.Client) (err error) {
		a, err = l.ask(ctx, c, key, 1, meter.All, noID)
		return err
	})
	return a.Allowed, a.now, err
}

// RedisKey returns the key in Redis.
func (l *Limiter) RedisKey(key string) string { return l.redisKey(key) }

// Denied returns how many denials are remembered.
func (l *Limiter) Denied() (n int) {
	for i := range l.denied.shards {
		n += len(l.denied.shards[i].of)
	}
	return n
}
