package script

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// A committer makes writes, and waits until replicas have them.
//
// WAIT must come behind the writes on the connection that they went over: on any
// other it answers at once, and wrongly. That connection, W, does nothing else until
// the replicas have confirmed. So only one exchange with a primary is under way at a
// time: the writes that come meanwhile gather, and go together with one WAIT.
type committer struct {
	link    *link.Link
	want    int           // how many replicas
	waitFor time.Duration // with them; an operation may take two exchanges, and wait for two of others

	mu     sync.Mutex
	lines  map[string][]*batch // what waits to be sent; there is a line while an exchange is under way
	slots  []link.SlotRange    // of a cluster; nil: to be asked for
	closed bool

	work sync.WaitGroup // the lines
}

// A commit is a write that is to be confirmed.
type commit struct {
	Call
	to  string // the address of the node that a node of the cluster has named; or empty
	ask bool   // that is not yet the one to begin with
}

// A batch is writes that go to one primary together.
type batch struct {
	calls    []commit
	done     chan struct{}
	outcomes []Outcome // when it is done
}

// An Outcome is what came of a write.
type Outcome struct {
	Reply rueidis.RedisResult
	Short error // an ErrReplicas if fewer replicas than wanted have it
}

// newCommitter returns nil if no replicas are to be waited for.
func newCommitter(c *link.Link, want int) *committer {
	if want <= 0 {
		return nil
	}
	return &committer{link: c, want: want, waitFor: c.Deadlines.Timeout / 4, lines: make(map[string][]*batch)}
}

func (c *committer) write(ctx context.Context, l *link.Pair, calls []Call) []Outcome {
	commits := make([]commit, len(calls))
	for i, x := range calls {
		commits[i].Call = x
	}
	if l.W.Mode() == rueidis.ClientModeCluster {
		return c.writeCluster(ctx, l, commits)
	}
	b, at := c.submit(l, onlyPrimary, commits)
	return b.wait(ctx, at, len(calls))
}

// onlyPrimary stands for the address of the primary where there is only one.
const onlyPrimary = ""

// submit puts calls into line for a primary. They are part of a batch from at on.
func (c *committer) submit(l *link.Pair, addr string, calls []commit) (b *batch, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, busy := c.lines[addr]
	if n := len(line); n > 0 && len(line[n-1].calls)+len(calls) <= MaxPipeline {
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
func (c *committer) serve(l *link.Pair, addr string) {
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

func (c *committer) send(l *link.Pair, addr string, b *batch) {
	ctx, cancel := c.link.Deadlines.Begin(context.Background())
	defer cancel()
	node := l.W
	if addr != onlyPrimary {
		var err error
		if node, err = link.NodeOf(ctx, l.W, addr, b.calls[0].Key); err != nil {
			b.fail(err)
			return
		}
	}
	b.outcomes = c.exchange(ctx, node, b.calls, (*Script).Command)
	var again []int
	var calls []commit
	for i, o := range b.outcomes {
		if IsNoScript(o.Reply.Error()) {
			again, calls = append(again, i), append(calls, b.calls[i])
		}
	}
	if len(again) > 0 {
		for j, o := range c.exchange(ctx, node, calls, (*Script).Whole) {
			b.outcomes[again[j]] = o
		}
	}
	close(b.done)
}

// A commander makes the command that runs a script.
type commander func(s *Script, c rueidis.Client, key string, args []string) rueidis.Completed

// exchange sends calls and, behind them, what confirms them, all to one server over one
// connection.
func (c *committer) exchange(ctx context.Context, node rueidis.Client, calls []commit, command commander) []Outcome {
	cmds := make([]rueidis.Completed, 0, 2*len(calls)+1)
	at := make([]int, len(calls))
	for i, x := range calls {
		if x.ask {
			cmds = append(cmds, node.B().Asking().Build())
		}
		at[i], cmds = len(cmds), append(cmds, command(x.Script, node, x.Key, x.Args))
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
	outcomes := make([]Outcome, len(calls))
	for i := range calls {
		outcomes[i] = Outcome{replies[at[i]], short}
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
	wait := node.B().Arbitrary("WAIT").Args(Decimal(int64(c.want)), Decimal(max(1, c.waitFor.Milliseconds())))
	return append(cmds, replicated.Whole(node, x.Key, nil), wait.Build())
}

// confirmed reads the replies to confirm. ok is false if the write before WAIT failed.
func (c *committer) confirmed(replies []rueidis.RedisResult) (short error, ok bool) {
	write, wait := replies[len(replies)-2], replies[len(replies)-1]
	n, err := wait.AsInt64()
	err = link.FirstOf(write.Error(), err)
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
	b.outcomes = make([]Outcome, len(b.calls))
	for i := range b.outcomes {
		b.outcomes[i].Reply = rueidis.NewErrorResult(err)
	}
	close(b.done)
}

// wait returns what came of the n calls from at on, once it has or ctx is done.
func (b *batch) wait(ctx context.Context, at, n int) []Outcome {
	select {
	case <-b.done:
		return b.outcomes[at : at+n]
	case <-ctx.Done():
		lost := make([]Outcome, n)
		for i := range lost {
			lost[i].Reply = rueidis.NewErrorResult(ctx.Err())
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
