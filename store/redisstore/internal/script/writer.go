package script

import (
	"context"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// A Writer makes writes on W, one exchange for each primary, and waits for replicas if it
// is to. All methods may be called concurrently.
type Writer struct {
	link    *link.Link
	commits *committer // nil: replicas are not waited for
	changed func(keys []string)
}

// NewWriter returns a writer that waits for so many replicas, and calls changed with the keys
// that were written if Redis does not notify of changes.
func NewWriter(c *link.Link, replicas int, changed func(keys []string)) *Writer {
	return &Writer{link: c, commits: newCommitter(c, replicas), changed: changed}
}

// Stop waits for what is under way, which fails when W is closed.
func (c *Writer) Stop() { c.commits.stop() }

// Waits reports whether replicas are waited for.
func (c *Writer) Waits() bool { return c.commits != nil }

// Write runs calls on W, in one exchange with each primary, and waits for replicas if
// the Dialer says so.
func (c *Writer) Write(ctx context.Context, l *link.Pair, calls []Call) []Outcome {
	if c.commits == nil {
		return c.WriteOnly(ctx, l, calls)
	}
	defer c.changedBy(calls)
	return c.commits.write(ctx, l, calls)
}

// WriteOnly is write that waits for no replica. A write that comes later and does
// speaks for those before it.
func (c *Writer) WriteOnly(ctx context.Context, l *link.Pair, calls []Call) []Outcome {
	defer c.changedBy(calls)
	outcomes := make([]Outcome, len(calls))
	for i, r := range RunMany(ctx, l.W, calls) {
		outcomes[i].Reply = r
	}
	c.reroute(ctx, l, calls, outcomes)
	return outcomes
}

// WriteOne is write of one call.
func (c *Writer) WriteOne(ctx context.Context, l *link.Pair, x Call) (reply rueidis.RedisResult, short error) {
	if c.link.MaxStale > 0 {
		defer c.changed([]string{x.Key})
	}
	if c.commits == nil {
		o := []Outcome{{Reply: x.Run(ctx, l.W, x.Key, x.Args...)}}
		c.reroute(ctx, l, []Call{x}, o)
		return o[0].Reply, nil
	}
	o := c.commits.write(ctx, l, []Call{x})[0]
	return o.Reply, o.Short
}

func (c *Writer) changedBy(calls []Call) {
	if c.link.MaxStale == 0 || len(calls) == 0 {
		return
	}
	keys := make([]string, len(calls))
	for i, x := range calls {
		keys[i] = x.Key
	}
	c.changed(keys)
}

// A Sender is [Writer.Write] or [Writer.WriteOnly].
type Sender func(context.Context, *link.Pair, []Call) []Outcome

// Again makes calls that do no harm twice, and makes those again under which a connection
// broke, unless they are so large that they may be the cause.
func (w Sender) Again(ctx context.Context, l *link.Pair, calls []Call) []Outcome {
	outcomes := w(ctx, l, calls)
	for range link.MaxTries - 1 {
		var which []int
		var broken []Call
		for i, o := range outcomes {
			if link.IsBroken(ctx, o.Reply.Error()) && SizeOf(calls[i].Key, calls[i].Args) <= link.SafeSize {
				which, broken = append(which, i), append(broken, calls[i])
			}
		}
		if len(broken) == 0 {
			break
		}
		for j, o := range w(ctx, l, broken) {
			outcomes[which[j]] = o
		}
	}
	return outcomes
}

// MaxPipeline is how many keys go in one exchange: enough to make the round trip
// not matter, not so many that others wait long behind them.
const MaxPipeline = 400
