package redisstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A committer makes writes, and waits until replicas have them.
//
// WAIT must come behind the writes on the connection that they went over: on any
// other it answers at once, and wrongly. That connection, W, does nothing else until
// the replicas have confirmed. So only one exchange with a primary is under way at a
// time: the writes that come meanwhile gather, and go together with one WAIT.
type committer struct {
	client   *Client
	want     int           // how many replicas
	patience time.Duration // with them; an operation may take two exchanges, and wait for two of others

	mu     sync.Mutex
	lines  map[string][]*batch // what waits to be sent; there is a line while an exchange is under way
	slots  []slotRange         // of a cluster; nil: to be asked for
	closed bool

	work sync.WaitGroup // the lines
}

// A commit is a write that is to be confirmed.
type commit struct {
	scriptCall
	to  string // the address of the node that a node of the cluster has named; or empty
	ask bool   // that is not yet the one to begin with
}

// A batch is writes that go to one primary together.
type batch struct {
	calls    []commit
	done     chan struct{}
	outcomes []outcome // when it is done
}

// An outcome is what came of a write.
type outcome struct {
	reply rueidis.RedisResult
	short error // an ErrReplicas if fewer replicas than wanted have it
}

// newCommitter returns nil if no replicas are to be waited for.
func newCommitter(c *Client, want int, timeout time.Duration) *committer {
	if want <= 0 {
		return nil
	}
	return &committer{client: c, want: want, patience: timeout / 4, lines: make(map[string][]*batch)}
}

// write runs calls on W, in one exchange with each primary, and waits for replicas if
// the Dialer says so.
func (c *Client) write(ctx context.Context, l *links, calls []scriptCall) []outcome {
	if c.commits == nil {
		return c.writeOnly(ctx, l, calls)
	}
	defer c.changedBy(calls)
	return c.commits.write(ctx, l, calls)
}

// writeOnly is write that waits for no replica. A write that comes later and does
// speaks for those before it.
func (c *Client) writeOnly(ctx context.Context, l *links, calls []scriptCall) []outcome {
	defer c.changedBy(calls)
	outcomes := make([]outcome, len(calls))
	for i, r := range runMany(ctx, l.w, calls) {
		outcomes[i].reply = r
	}
	return outcomes
}

// writeOne is write of one call.
func (c *Client) writeOne(ctx context.Context, l *links, x scriptCall) (reply rueidis.RedisResult, short error) {
	defer c.changed(x.key)
	if c.commits == nil {
		return x.run(ctx, l.w, x.key, x.args...), nil
	}
	o := c.commits.write(ctx, l, []scriptCall{x})[0]
	return o.reply, o.short
}

func (c *committer) write(ctx context.Context, l *links, calls []scriptCall) []outcome {
	commits := make([]commit, len(calls))
	for i, x := range calls {
		commits[i].scriptCall = x
	}
	if l.w.Mode() == rueidis.ClientModeCluster {
		return c.writeCluster(ctx, l, commits)
	}
	b, at := c.submit(l, onlyPrimary, commits)
	return b.wait(ctx, at, len(calls))
}

// onlyPrimary stands for the address of the primary where there is only one.
const onlyPrimary = ""

// submit puts calls into line for a primary. They are part of a batch from at on.
func (c *committer) submit(l *links, addr string, calls []commit) (b *batch, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, busy := c.lines[addr]
	if n := len(line); n > 0 && len(line[n-1].calls)+len(calls) <= maxPipeline {
		b = line[n-1]
		b.calls, at = append(b.calls, calls...), len(b.calls)
		return b, at
	}
	b = &batch{calls: slices.Clone(calls), done: make(chan struct{})}
	if c.closed {
		b.fail(store.ErrClosed)
		return b, 0
	}
	c.lines[addr] = append(line, b)
	if !busy {
		c.work.Go(func() { c.serve(l, addr) })
	}
	return b, 0
}

// serve sends what waits for a primary until nothing does.
func (c *committer) serve(l *links, addr string) {
	for {
		c.mu.Lock()
		line := c.lines[addr]
		if len(line) == 0 {
			delete(c.lines, addr)
			c.mu.Unlock()
			return
		}
		b := line[0]
		c.lines[addr] = line[1:]
		c.mu.Unlock()
		c.send(l, addr, b)
	}
}

func (c *committer) send(l *links, addr string, b *batch) {
	ctx, cancel := c.client.deadlines.Begin(context.Background())
	defer cancel()
	node := l.w
	if addr != onlyPrimary {
		var err error
		if node, err = nodeOf(ctx, l.w, addr, b.calls[0].key); err != nil {
			b.fail(err)
			return
		}
	}
	b.outcomes = c.exchange(ctx, node, b.calls, (*script).command)
	var again []int
	var calls []commit
	for i, o := range b.outcomes {
		if isNoScript(o.reply.Error()) {
			again, calls = append(again, i), append(calls, b.calls[i])
		}
	}
	if len(again) > 0 {
		for j, o := range c.exchange(ctx, node, calls, (*script).whole) {
			b.outcomes[again[j]] = o
		}
	}
	close(b.done)
}

// A commander makes the command that runs a script.
type commander func(s *script, c rueidis.Client, key string, args []string) rueidis.Completed

// exchange sends calls and, behind them, what confirms them, all to one server over one
// connection.
func (c *committer) exchange(ctx context.Context, node rueidis.Client, calls []commit, command commander) []outcome {
	cmds := make([]rueidis.Completed, 0, 2*len(calls)+1)
	at := make([]int, len(calls))
	for i, x := range calls {
		if x.ask {
			cmds = append(cmds, node.B().Asking().Build())
		}
		at[i], cmds = len(cmds), append(cmds, command(x.script, node, x.key, x.args))
	}
	replies := node.DoMulti(ctx, append(cmds, c.confirm(node, &calls[0])...)...)
	short, ok := c.confirmed(replies[len(cmds):])
	if !ok { // the key of the first call is not here: take that of one that was made here
		for i := range calls {
			if replies[at[i]].Error() == nil {
				short, _ = c.confirmed(node.DoMulti(ctx, c.confirm(node, &calls[i])...))
				break
			}
		}
	}
	outcomes := make([]outcome, len(calls))
	for i := range calls {
		outcomes[i] = outcome{replies[at[i]], short}
	}
	return outcomes
}

// confirm returns WAIT behind a write that is always replicated. WAIT waits for the last
// write of its connection that was replicated, and since Redis 7.2 one that changes
// nothing is not: what another connection has written before it would not be waited for.
func (c *committer) confirm(node rueidis.Client, x *commit) (cmds []rueidis.Completed) {
	if x.ask {
		cmds = append(cmds, node.B().Asking().Build())
	}
	// Not Wait(), which rueidis would send over a connection of its own.
	wait := node.B().Arbitrary("WAIT").Args(decimal(int64(c.want)), decimal(max(1, c.patience.Milliseconds())))
	return append(cmds, replicatedScript.whole(node, x.key, nil), wait.Build())
}

// confirmed reads the replies to confirm. ok is false if the write before WAIT failed.
func (c *committer) confirmed(replies []rueidis.RedisResult) (short error, ok bool) {
	write, wait := replies[len(replies)-2], replies[len(replies)-1]
	n, err := wait.AsInt64()
	err = firstOf(write.Error(), err)
	switch {
	case err != nil: // not wrapped: it says nothing of the writes
		short = fmt.Errorf("%w: %v", store.ErrReplicas, err)
	case n < int64(c.want):
		short = fmt.Errorf("%w: %d of %d", store.ErrReplicas, n, c.want)
	}
	return short, write.Error() == nil
}

// fail ends a batch that was not sent.
func (b *batch) fail(err error) {
	b.outcomes = make([]outcome, len(b.calls))
	for i := range b.outcomes {
		b.outcomes[i].reply = rueidis.NewErrorResult(err)
	}
	close(b.done)
}

// wait returns what came of the n calls from at on, once it has or ctx is done.
func (b *batch) wait(ctx context.Context, at, n int) []outcome {
	select {
	case <-b.done:
		return b.outcomes[at : at+n]
	case <-ctx.Done():
		lost := make([]outcome, n)
		for i := range lost {
			lost[i].reply = rueidis.NewErrorResult(ctx.Err())
		}
		return lost
	}
}

// stop waits for what is under way, which fails when W is closed.
func (c *committer) stop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.work.Wait()
}
