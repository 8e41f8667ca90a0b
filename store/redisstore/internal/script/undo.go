package script

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

const (
	// mostUndone is how many leases and claims are to be ended at a time. What is left then ends by
	// itself.
	mostUndone = 10_000

	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// A late is the undoing of a script that may have run, or may run yet, though its reply was
// given up: it has given a lease that nobody knows of, or begun a write intent.
type undoing struct {
	Call
	onW   bool      // it goes over W, behind the script
	until time.Time // when that which it undoes ends by itself
}

// UndoQueue are run until Redis has answered each. They go over the connection of the script
// that they undo, so that they run after it; if that was lost, it will not run any more, or
// has.
type UndoQueue struct {
	link     *link.Link
	released func(keys []string) // leases have ended

	mu     sync.Mutex
	list   []undoing
	cancel context.CancelFunc // nil: nothing runs
	closed bool
	work   sync.WaitGroup
}

// NewUndoQueue returns an empty queue. It calls released with keys with leases that have ended.
func NewUndoQueue(c *link.Link, released func(keys []string)) *UndoQueue {
	return &UndoQueue{link: c, released: released}
}

// MayHaveRun reports whether a command that ended with err was sent, and what it did is not
// known.
func MayHaveRun(err error) bool {
	var reply *rueidis.RedisError
	var dial *net.OpError
	switch {
	case err == nil, link.IsOurs(err), errors.Is(err, store.ErrLeaseLost), errors.Is(err, rueidis.ErrClosing):
		return false
	case errors.As(err, &reply):
		return false
	}
	return !errors.As(err, &dial) || dial.Op != "dial"
}

// Undo runs calls as soon as Redis can be reached, if that is within life.
func (q *UndoQueue) Undo(onW bool, life time.Duration, calls ...Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(calls) == 0 {
		return
	}
	until := time.Now().Add(life)
	for _, x := range calls {
		if len(q.list) < mostUndone {
			q.list = append(q.list, undoing{x, onW, until})
		}
	}
	if q.cancel == nil {
		var ctx context.Context
		ctx, q.cancel = context.WithCancel(context.Background())
		q.work.Go(func() { q.undoAll(ctx) })
	}
}

func (q *UndoQueue) Stop() {
	q.mu.Lock()
	q.closed = true
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	q.work.Wait()
}

func (q *UndoQueue) undoAll(ctx context.Context) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if q.undoOnce(ctx) {
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
func (q *UndoQueue) undoOnce(ctx context.Context) (done bool) {
	q.mu.Lock()
	todo := q.list
	q.list = nil
	q.mu.Unlock()
	left := slices.Concat(q.undoPart(ctx, todo, false), q.undoPart(ctx, todo, true))
	now := time.Now()
	left = slices.DeleteFunc(left, func(x undoing) bool { return now.After(x.until) })
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
func (q *UndoQueue) undoPart(ctx context.Context, all []undoing, onW bool) (left []undoing) {
	part := slices.DeleteFunc(slices.Clone(all), func(x undoing) bool { return x.onW != onW })
	if len(part) == 0 {
		return nil
	}
	call, cancel := q.link.Deadlines.Begin(ctx)
	defer cancel()
	l, err := q.link.Connected(call)
	if err != nil {
		return part
	}
	conn := l.T
	if onW {
		conn = l.W
	}
	var done []string
	for chunk := range slices.Chunk(part, MaxPipeline) {
		calls := make([]Call, len(chunk))
		for i, x := range chunk {
			calls[i] = x.Call
		}
		for i, r := range RunMany(call, conn, calls) {
			var reply *rueidis.RedisError
			if err := r.Error(); err != nil && !errors.As(err, &reply) {
				left = append(left, chunk[i])
			} else {
				done = append(done, chunk[i].Key)
			}
		}
	}
	if len(done) > 0 {
		q.released(done) // this process may wait for what it has given to itself
	}
	return left
}

// MinUndo is how long it is tried at least to undo something.
const MinUndo = 10 * time.Second
