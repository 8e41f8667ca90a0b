package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// hotLife is how long the list of hot keys is kept after the last AddHot.
const hotLife = 7 * 24 * time.Hour

// errMost is the cause where AddHot is to keep no key at all.
var errMost = link.Own(errors.New("fewer than one key"))

// hotKey is the Redis key of the list of hot keys. It is read and written over W, so
// that nobody is pushed it but by broadcast, and then it is nobody's copy that changes.
func (s *view) hotKey() string { return s.tags.Prefix + "h:" + s.prefix }

// AddHot implements [store.HotKeeper] with one exchange. The list is one key, which
// Redis forgets a week after the last AddHot.
func (s *view) AddHot(ctx context.Context, hot []store.Hot, most int) error {
	if most < 1 {
		return s.fail(ctx, "add hot", "", errMost)
	}
	args := make([]string, 0, 3+2*len(hot))
	args = append(args, script.Decimal(hotLife.Milliseconds()), script.Decimal(store.HotHalfLife.Milliseconds()), strconv.Itoa(most))
	for _, h := range hot {
		args = append(args, strconv.FormatFloat(h.Reads, 'g', -1, 64), h.Key)
	}
	return s.hotOp(ctx, "add hot", len(hot), func(call context.Context, l *link.Pair) (int, error) {
		_, err := script.Hot.Run(call, l.W, s.hotKey(), args...).AsInt64()
		return 0, err
	})
}

// ListHot implements [store.HotKeeper] with one exchange.
func (s *view) ListHot(ctx context.Context, n int) (hot []store.Hot, err error) {
	if n < 1 {
		return nil, nil
	}
	err = s.hotOp(ctx, "list hot", n, func(call context.Context, l *link.Pair) (int, error) {
		scores, err := link.Retried(call, func() rueidis.RedisResult {
			return l.W.Do(call, l.W.B().Zrevrange().Key(s.hotKey()).Start(0).Stop(int64(n)-1).Withscores().Build())
		}).AsZScores()
		for _, z := range scores {
			hot = append(hot, store.Hot{Key: z.Member, Reads: z.Score})
		}
		return len(hot), err
	})
	return hot, err
}

// hotOp does what the operations on the list need around them.
func (s *view) hotOp(ctx context.Context, op string, keys int, f func(context.Context, *link.Pair) (int, error)) error {
	ctx, end := store.Observe(ctx, s.observer, s.op(op, "", keys))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Connected(call)
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
