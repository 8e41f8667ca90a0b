package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A tagAsk is a tag, or a marker, that is to be read from Redis.
type tagAsk struct {
	key  string
	copy *copied
	need tagNeed // of what asks
}

// asks are those of tags that have the same need.
func (t *Tags) asks(tags []string, need tagNeed) []tagAsk {
	asks := make([]tagAsk, len(tags))
	for i, tag := range tags {
		asks[i] = tagAsk{t.tagKey(tag), t.copies.of(tag), need}
	}
	return asks
}

// asksOf are those of tags that have different needs.
func (t *Tags) asksOf(needs tagNeeds) []tagAsk {
	asks := make([]tagAsk, 0, len(needs))
	for tag, need := range needs {
		asks = append(asks, tagAsk{t.tagKey(tag), t.copies.of(tag), need})
	}
	return asks
}

// learn reads tags from Redis, with one exchange where it has them all.
func (t *Tags) learn(ctx context.Context, l *links, asks []tagAsk) error {
	if _, err := t.everyAt(ctx, l); err != nil {
		return err
	}
	_, err := t.read(ctx, l, asks, true)
	return err
}

// read returns the readings of tags and markers, with one exchange where Redis has them
// all. It makes those that are missing, and keeps all if keep is set. How long a key lasts
// it asks where that is not known.
func (t *Tags) read(ctx context.Context, l *links, asks []tagAsk, keep bool) ([]uint64, error) {
	var q asked
	var replies []rueidis.RedisResult
	for range maxTries {
		var cmds []rueidis.Completed
		cmds, q = question(l, asks, nil)
		if replies = l.t.DoMulti(ctx, cmds...); !isBroken(ctx, replies[0].Error()) {
			break
		}
	}
	return t.answers(ctx, l, asks, &q, replies, keep)
}

// asked is where the replies to asks are.
type asked struct {
	sent        store.Time
	marks       []uint64
	lives, gets []int // lives: -1 if it was not asked for
}

// question appends the commands of asks to cmds.
func question(l *links, asks []tagAsk, cmds []rueidis.Completed) ([]rueidis.Completed, asked) {
	q := asked{marks: make([]uint64, len(asks)), lives: make([]int, len(asks)), gets: make([]int, len(asks))}
	for i, ask := range asks {
		q.marks[i], q.lives[i] = ask.copy.mark(), -1
		if ask.asksLife() {
			q.lives[i] = len(cmds)
			cmds = append(cmds, l.t.B().Pttl().Key(ask.key).Build())
		}
		q.gets[i] = len(cmds)
		cmds = append(cmds, l.t.B().Get().Key(ask.key).Build())
	}
	q.sent = store.Now()
	return cmds, q
}

// answers reads the replies to question.
func (t *Tags) answers(ctx context.Context, l *links, asks []tagAsk, q *asked, replies []rueidis.RedisResult, keep bool) ([]uint64, error) {
	values := make([]uint64, len(asks))
	var missing []int
	for i, ask := range asks {
		v, ok, err := readingOf(replies[q.gets[i]])
		if err != nil {
			return nil, err
		}
		if q.lives[i] >= 0 {
			left, err := replies[q.lives[i]].AsInt64()
			if err != nil {
				return nil, err
			}
			if ok && left != -2 { // else it has come in between
				ask.copy.lasts(q.marks[i], tagEnd(q.sent, left))
			}
		}
		if values[i] = v; !ok {
			missing = append(missing, i)
		} else if keep {
			ask.copy.keep(q.marks[i], v)
		}
	}
	return values, inParallel(missing, func(i int) (err error) {
		values[i], err = t.complete(ctx, l, asks[i].copy, asks[i].key, asks[i].need)
		return err
	})
}

// asksLife reports whether it is to be asked how long the key lasts.
func (a *tagAsk) asksLife() bool { return a.need.life != 0 && a.copy.until.Load() == 0 }

// tagReply reads the reply of a script: what is under the key now, and how long that lasts.
func tagReply(r rueidis.RedisResult) (text string, left int64, err error) {
	reply, err := r.ToArray()
	if err != nil {
		return "", 0, err
	}
	if len(reply) != 2 {
		return "", 0, errBadReply
	}
	text, err1 := reply[0].ToString()
	left, err2 := reply[1].AsInt64()
	return text, left, firstOf(err1, err2)
}

// errRestless says that a tag changed again and again while it was read.
var errRestless = fmt.Errorf("%w: a tag does not come to rest", store.ErrUnavailable)

// complete reads the tag, or marker, under key, and makes it where there is none. It
// was evicted, perhaps right after somebody raised it: so it counts as raised now.
// The clock must be read after the mark "pending" was seen, or what is raised and
// evicted in between would be lost. The key then lasts as long as need says.
func (t *Tags) complete(ctx context.Context, l *links, c *copied, key string, need tagNeed) (uint64, error) {
	if mutant.OldTag.Load() {
		v, err := retried(ctx, func() rueidis.RedisResult { return l.t.Do(ctx, l.t.B().Get().Key(key).Build()) }).AsUint64()
		if rueidis.IsRedisNil(err) {
			v, err = 1, nil
		}
		return v, err
	}
	nonce := decimal(int64(newID()))
	told := len(t.client.broadcast) > 0 // of what is written here, too: it is read again, behind that
	for try := range 5 {
		mark, sent := c.mark(), store.Now()
		seen, left, err := tagReply(retried(ctx, func() rueidis.RedisResult {
			return taggetScript.run(ctx, l.t, key, nonce, decimal(need.least), decimal(need.life))
		}))
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(seen); ok {
			c.lasts(mark, tagEnd(sent, left))
			if c.keep(mark, v) || try == 4 || !told {
				return v, nil
			}
			continue
		}
		if !strings.HasPrefix(seen, "P") {
			return 0, errBadReply
		}
		now, err := t.readClock(ctx, l)
		if err != nil {
			return 0, err
		}
		mark, sent = c.mark(), store.Now()
		text, left, err := tagReply(retried(ctx, func() rueidis.RedisResult {
			return tagdoneScript.run(ctx, l.t, key, seen, strconv.FormatUint(now, 10), decimal(need.life))
		}))
		if err != nil {
			return 0, err
		}
		if v, ok := parseReading(text); ok && left != 0 && !told { // else it is read again, with its life
			c.lasts(mark, tagEnd(sent, left))
			c.keep(mark, v)
			return v, nil
		}
	}
	return 0, errRestless
}
