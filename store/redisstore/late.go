package redisstore

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

const (
	// mostLate is how many late replies are seen to at a time. What is left then ends by
	// itself.
	mostLate = 10_000

	firstLateTry = 50 * time.Millisecond
	lastLateTry  = time.Second
)

// A late is the undoing of a script that may have run, or may run yet, though its reply was
// given up: it has given a lease that nobody knows of, or begun a bracket.
type late struct {
	scriptCall
	onW   bool      // it goes over W, behind the script
	until time.Time // when that which it undoes ends by itself
}

// lates are run until Redis has answered each. They go over the connection of the script
// that they undo, so that they run after it; if that was lost, it will not run any more, or
// has.
type lates struct {
	mu     sync.Mutex
	list   []late
	cancel context.CancelFunc // nil: nothing runs
	closed bool
	work   sync.WaitGroup
}

// mayHaveRun reports whether a command that ended with err was sent, and what it did is not
// known.
func mayHaveRun(err error) bool {
	var reply *rueidis.RedisError
	var dial *net.OpError
	switch {
	case err == nil, isOurs(err), errors.Is(err, store.ErrLeaseLost), errors.Is(err, rueidis.ErrClosing):
		return false
	case errors.As(err, &reply):
		return false
	}
	return !errors.As(err, &dial) || dial.Op != "dial"
}

// undo runs calls as soon as Redis can be reached, if that is within life.
func (c *Client) undo(onW bool, life time.Duration, calls ...scriptCall) {
	q := &c.late
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(calls) == 0 {
		return
	}
	until := time.Now().Add(life)
	for _, x := range calls {
		if len(q.list) < mostLate {
			q.list = append(q.list, late{x, onW, until})
		}
	}
	if q.cancel == nil {
		var ctx context.Context
		ctx, q.cancel = context.WithCancel(context.Background())
		q.work.Go(func() { c.undoAll(ctx) })
	}
}

func (q *lates) stop() {
	q.mu.Lock()
	q.closed = true
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	q.work.Wait()
}

func (c *Client) undoAll(ctx context.Context) {
	for wait := firstLateTry; ; wait = min(2*wait, lastLateTry) {
		if c.undoOnce(ctx) {
			return
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// undoOnce runs what there is, and reports whether nothing is left.
func (c *Client) undoOnce(ctx context.Context) (done bool) {
	q := &c.late
	q.mu.Lock()
	todo := q.list
	q.list = nil
	q.mu.Unlock()
	left := slices.Concat(c.undoPart(ctx, todo, false), c.undoPart(ctx, todo, true))
	now := time.Now()
	left = slices.DeleteFunc(left, func(x late) bool { return now.After(x.until) })
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(left, q.list...)
	if len(q.list) > 0 {
		return false
	}
	if q.cancel != nil {
		q.cancel()
		q.cancel = nil
	}
	return true
}

// undoPart runs those of all that go over W, or over T, and returns those that Redis has
// not answered.
func (c *Client) undoPart(ctx context.Context, all []late, onW bool) (left []late) {
	part := slices.DeleteFunc(slices.Clone(all), func(x late) bool { return x.onW != onW })
	if len(part) == 0 {
		return nil
	}
	call, cancel := c.deadlines.Begin(ctx)
	defer cancel()
	l, err := c.connected(call)
	if err != nil {
		return part
	}
	conn := l.t
	if onW {
		conn = l.w
	}
	var told []string
	for chunk := range slices.Chunk(part, maxPipeline) {
		calls := make([]scriptCall, len(chunk))
		for i, x := range chunk {
			calls[i] = x.scriptCall
		}
		for i, r := range runMany(call, conn, calls) {
			var reply *rueidis.RedisError
			if err := r.Error(); err != nil && !errors.As(err, &reply) {
				left = append(left, chunk[i])
			} else {
				told = append(told, chunk[i].key)
			}
		}
	}
	if len(told) > 0 {
		c.watchers.tellReleased(told) // this process may wait for what it has given to itself
	}
	return left
}

// releaseLate releases a lease, if it was given: its reply was given up.
func (s *Store[T]) releaseLate(full string, lease uint64, d time.Duration) {
	s.client.undo(false, max(d, minLate), scriptCall{&releaseScript, full, []string{bytes8(lease), "0", ""}})
}

// minLate is how long it is tried at least to undo something.
const minLate = 10 * time.Second
