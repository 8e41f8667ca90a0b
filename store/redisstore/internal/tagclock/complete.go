package tagclock

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// A Ask is a tag, or a marker, that is to be read from Redis.
type Ask struct {
	Key  string
	Copy *Cell
	need Need // of what asks
}

// Asks are those of tags that have the same need.
func (t *Clock) Asks(tags []string, need Need) []Ask {
	asks := make([]Ask, len(tags))
	for i, tag := range tags {
		asks[i] = Ask{t.TagKey(tag), t.Cells.of(tag), need}
	}
	return asks
}

// AsksOf are those of tags that have different needs.
func (t *Clock) AsksOf(needs Needs) []Ask {
	asks := make([]Ask, 0, len(needs))
	for tag, need := range needs {
		asks = append(asks, Ask{t.TagKey(tag), t.Cells.of(tag), need})
	}
	return asks
}

// Learn reads tags from Redis, with one exchange where it has them all.
func (t *Clock) Learn(ctx context.Context, l *link.Pair, asks []Ask) error {
	if _, err := t.EveryAt(ctx, l); err != nil {
		return err
	}
	_, err := t.Read(ctx, l, asks, true)
	return err
}

// Read returns the readings of tags and markers, with one exchange where Redis has them
// all. It makes those that are missing, and keeps all if keep is set. How long a key lasts
// it asks where that is not known.
func (t *Clock) Read(ctx context.Context, l *link.Pair, asks []Ask, keep bool) ([]uint64, error) {
	var q Asked
	var replies []rueidis.RedisResult
	for range link.MaxTries {
		var cmds []rueidis.Completed
		cmds, q = Question(l, asks, nil)
		if replies = l.T.DoMulti(ctx, cmds...); !link.IsBroken(ctx, replies[0].Error()) {
			break
		}
	}
	return t.Answers(ctx, l, asks, &q, replies, keep)
}

// Asked is where the replies to asks are.
type Asked struct {
	sent        store.Time
	marks       []uint64
	lives, gets []int // lives: -1 if it was not asked for
}

// Question appends the commands of asks to cmds.
func Question(l *link.Pair, asks []Ask, cmds []rueidis.Completed) ([]rueidis.Completed, Asked) {
	q := Asked{marks: make([]uint64, len(asks)), lives: make([]int, len(asks)), gets: make([]int, len(asks))}
	for i, ask := range asks {
		q.marks[i], q.lives[i] = ask.Copy.Mark(), -1
		if ask.asksLife() {
			q.lives[i] = len(cmds)
			cmds = append(cmds, l.T.B().Pttl().Key(ask.Key).Build())
		}
		q.gets[i] = len(cmds)
		cmds = append(cmds, l.T.B().Get().Key(ask.Key).Build())
	}
	q.sent = store.Now()
	return cmds, q
}

// Answers reads the replies to question.
func (t *Clock) Answers(ctx context.Context, l *link.Pair, asks []Ask, q *Asked, replies []rueidis.RedisResult, keep bool) ([]uint64, error) {
	values := make([]uint64, len(asks))
	var missing []int
	for i, ask := range asks {
		v, ok, err := ReadingOf(replies[q.gets[i]])
		if err != nil {
			return nil, err
		}
		if q.lives[i] >= 0 {
			left, err := replies[q.lives[i]].AsInt64()
			if err != nil {
				return nil, err
			}
			if ok && left != -2 { // else it has come in between
				ask.Copy.Lasts(q.marks[i], keyEnd(q.sent, left))
			}
		}
		if values[i] = v; !ok {
			missing = append(missing, i)
		} else if keep {
			ask.Copy.Keep(q.marks[i], v)
		}
	}
	return values, inParallel(missing, func(i int) (err error) {
		values[i], err = t.Complete(ctx, l, asks[i].Copy, asks[i].Key, asks[i].need)
		return err
	})
}

// asksLife reports whether it is to be asked how long the key lasts.
func (a *Ask) asksLife() bool { return a.need.life != 0 && a.Copy.until.Load() == 0 }

// tagReply reads the reply of a script: what is under the key now, and how long that lasts.
func tagReply(r rueidis.RedisResult) (text string, left int64, err error) {
	reply, err := r.ToArray()
	if err != nil {
		return "", 0, err
	}
	if len(reply) != 2 {
		return "", 0, link.ErrBadReply
	}
	text, err1 := reply[0].ToString()
	left, err2 := reply[1].AsInt64()
	return text, left, link.FirstOf(err1, err2)
}

// errRestless says that a tag changed again and again while it was read.
var errRestless = fmt.Errorf("%w: a tag does not come to rest", store.ErrUnavailable)

// Complete reads the tag, or marker, under key, and makes it where there is none. It
// was evicted, perhaps right after somebody raised it: so it counts as raised now.
// The clock must be read after the mark "P" was seen, or what is raised and
// evicted in between would be lost. The key then lasts as long as need says.
func (t *Clock) Complete(ctx context.Context, l *link.Pair, c *Cell, key string, need Need) (uint64, error) {
	if mutant.OldTag.Load() {
		v, err := link.Retried(ctx, func() rueidis.RedisResult { return l.T.Do(ctx, l.T.B().Get().Key(key).Build()) }).AsUint64()
		if rueidis.IsRedisNil(err) {
			v, err = 1, nil
		}
		return v, err
	}
	nonce := script.Decimal(int64(record.NewID()))
	pushed := len(t.link.Broadcast) > 0 // of what is written here, too: it is read again, behind that
	for try := range 5 {
		mark, sent := c.Mark(), store.Now()
		seen, left, err := tagReply(link.Retried(ctx, func() rueidis.RedisResult {
			return script.TagGet.Run(ctx, l.T, key, nonce, script.Decimal(need.least), script.Decimal(need.life))
		}))
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(seen); ok {
			c.Lasts(mark, keyEnd(sent, left))
			if c.Keep(mark, v) || try == 4 || !pushed {
				return v, nil
			}
			continue
		}
		if !strings.HasPrefix(seen, "P") {
			return 0, link.ErrBadReply
		}
		now, err := t.ReadClock(ctx, l)
		if err != nil {
			return 0, err
		}
		mark, sent = c.Mark(), store.Now()
		text, left, err := tagReply(link.Retried(ctx, func() rueidis.RedisResult {
			return script.TagDone.Run(ctx, l.T, key, seen, strconv.FormatUint(now, 10), script.Decimal(need.life))
		}))
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(text); ok && left != 0 && !pushed { // else it is read again, with its life
			c.Lasts(mark, keyEnd(sent, left))
			c.Keep(mark, v)
			return v, nil
		}
	}
	return 0, errRestless
}
