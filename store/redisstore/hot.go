package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// hotScript adds to a list of hot keys, a sorted set. It is given the life of the list,
// the half-life of reads, how many keys are kept, then reads and key in turn. What is left
// of the life tells when it ran last: reads fade for the time since.
var hotScript = newScript(`
local life = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < life then
  local faded = string.format('%.17g', 2 ^ ((left - life) / tonumber(ARGV[2])))
  redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', faded)
end
for i = 4, #ARGV, 2 do redis.call('ZINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('ZCARD', KEYS[1])
`)

// hotLife is how long the list of hot keys is kept after the last AddHot.
const hotLife = 7 * 24 * time.Hour

// errMost is the cause where AddHot is to keep no key at all.
var errMost = errors.New("fewer than one key")

// hotKey is the Redis key of the list of hot keys. It is read and written over W, so
// that nobody is pushed it but by broadcast, and then it is nobody's copy that changes.
func (s *Store[T]) hotKey() string { return s.tags.prefix + "h:" + s.prefix }

// AddHot implements [store.HotKeeper] with one exchange. The list is one key, which
// Redis forgets a week after the last AddHot.
func (s *Store[T]) AddHot(ctx context.Context, hot []store.Hot, most int) error {
	if most < 1 {
		return s.fail(ctx, "add hot", "", errMost)
	}
	args := make([]string, 0, 3+2*len(hot))
	args = append(args, decimal(hotLife.Milliseconds()), decimal(store.HotHalfLife.Milliseconds()), strconv.Itoa(most))
	for _, h := range hot {
		args = append(args, strconv.FormatFloat(h.Reads, 'g', -1, 64), h.Key)
	}
	return s.hotOp(ctx, "add hot", len(hot), func(call context.Context, l *links) (int, error) {
		_, err := hotScript.run(call, l.w, s.hotKey(), args...).AsInt64()
		return 0, err
	})
}

// ListHot implements [store.HotKeeper] with one exchange.
func (s *Store[T]) ListHot(ctx context.Context, n int) (hot []store.Hot, err error) {
	if n < 1 {
		return nil, nil
	}
	err = s.hotOp(ctx, "list hot", n, func(call context.Context, l *links) (int, error) {
		scores, err := retried(call, func() rueidis.RedisResult {
			return l.w.Do(call, l.w.B().Zrevrange().Key(s.hotKey()).Start(0).Stop(int64(n)-1).Withscores().Build())
		}).AsZScores()
		for _, z := range scores {
			hot = append(hot, store.Hot{Key: z.Member, Reads: z.Score})
		}
		return len(hot), err
	})
	return hot, err
}

// hotOp does what the operations on the list need around them.
func (s *Store[T]) hotOp(ctx context.Context, op string, keys int, f func(context.Context, *links) (int, error)) error {
	ctx, end := store.Observe(ctx, s.observer, s.op(op, "", keys))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.connected(call)
	var hits int
	if err == nil {
		hits, err = f(call, l)
	}
	if err != nil {
		err = s.fail(ctx, op, "", err)
	}
	end(hits, err)
	return err
}
