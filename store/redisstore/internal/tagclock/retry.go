package tagclock

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// This file invalidates tags again. The retry queue holds those that Redis has not
// acknowledged: until it has, no entry with one of them is found. The recent-write log has
// those that Redis may lose in a failover.

// RecentWritesFor is how long an invalidated tag stays in the recent-write log.
const RecentWritesFor = time.Minute

// moment must be called before tags are invalidated.
func (t *Clock) moment() uint64 {
	t.listens.Do(func() {
		t.heartbeat.Listen(notify.NewListener(t.recent.Connected, t.rolledBack), t.Prefix) // until the client is closed
	})
	return t.recent.Moment()
}

// invalidatedAt notes that tags, or all tags, were invalidated since the moment m.
func (t *Clock) invalidatedAt(m uint64, tags []string, all bool) {
	if !t.recent.Add(m, tags, all) { // Redis was possibly replaced before it received them, or after
		t.Retry.Add(retry.Batch{Names: tags, All: all})
	}
}

// rolledBack is called when Redis has possibly lost acknowledged writes.
func (t *Clock) rolledBack() {
	if !mutant.NoReplay.Load() {
		t.Retry.Add(t.recent.Replay())
	}
}

// raiseAgain invalidates b, which is queued. It returns what must be invalidated again, and
// the first error of that.
func (t *Clock) raiseAgain(ctx context.Context, b retry.Batch) (open retry.Batch, err error) {
	m := t.moment()
	if b.All { // all tags include b.Names
		err = t.Raise(ctx, 0, t.EveryKey())[0]
		switch cause := t.tagOutcome(ctx, err); store.OutcomeOf(cause) {
		case store.Open:
			return b, err
		case store.Refused:
			t.refuse("", cause)
		default:
			t.invalidatedAt(m, nil, true)
		}
		for _, tag := range b.Names {
			t.Cells.drop(tag)
		}
		t.Every.Drop()
		return retry.Batch{}, nil
	}
	var made []string
	for i, e := range t.raiseTags(ctx, b.Names) {
		tag := b.Names[i]
		switch cause := t.tagOutcome(ctx, e); store.OutcomeOf(cause) {
		case store.Open:
			open.Names = append(open.Names, tag)
			err = link.FirstOf(err, e)
			continue
		case store.Refused:
			t.refuse(tag, cause)
		default:
			made = append(made, tag)
		}
		t.Cells.drop(tag) // before it leaves the queue
	}
	if len(made) > 0 {
		t.invalidatedAt(m, made, false)
	}
	return open, err
}

// tagOutcome returns err, of raise, so that it has its outcome.
func (t *Clock) tagOutcome(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return link.OpenCause(err, t.link.Cause(ctx, err))
}

// refuse notes that Redis permanently refuses to invalidate tag; empty: all tags. The first
// one is logged.
func (t *Clock) refuse(tag string, err error) {
	first := t.Retry.Refuse(err)
	if log := t.link.Breakers.Log; log != nil && first {
		log.Warn("strata: Redis refuses to invalidate a tag, which is not retried any more; Health().RefusedTags counts them",
			slog.String("tag", shortTag(tag)), slog.Any("error", err))
	}
}

// shortTag returns the beginning of a tag, for a line of a log.
func shortTag(tag string) string {
	const most = 100
	if len(tag) > most {
		return tag[:most] + "..."
	}
	return tag
}

// Flush waits until the retry queue is empty, and returns an error if it is not when ctx ends.
func (t *Clock) Flush(ctx context.Context) error {
	if t.Retry.Flush(ctx) {
		return nil
	}
	what := "the invalidation of every tag"
	if n, _ := t.Retry.Counts(); n >= 0 {
		what = fmt.Sprintf("%d invalidated tags", n)
	}
	return &store.Error{Store: link.StoreName, Op: "flush", Err: fmt.Errorf("%w: Redis has not acknowledged %s", store.ErrUnavailable, what)}
}
