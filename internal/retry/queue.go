// Package retry makes writes again that a server has not acknowledged, or has lost: a [Queue]
// until the server acknowledges them, and a [Log] remembers acknowledged ones for a while, in
// case the server loses them in a failover.
package retry

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/keys"
)

const (
	// MaxNames is the maximum number of names in a queue or a log. With more, all names are in it.
	MaxNames = 100_000

	maxPatterns = 100 // each look into the queue matches all
)

// A Batch is a set of writes, each known by the name of what it changes: a key or a tag. The
// zero Batch is empty.
type Batch struct {
	Names    []string
	Patterns []string // each stands for the names that it matches: see keys.Match
	All      bool     // every name
}

// A Queue holds writes that the server has not acknowledged, and makes them until it does.
// All methods may be called concurrently.
type Queue struct {
	do   func(ctx context.Context, b Batch) (open Batch, err error)
	some atomic.Bool // false: the queue is empty
	made atomic.Uint64
	wake chan struct{}

	mu       sync.Mutex
	calls    uint64
	names    map[string]write
	patterns map[string]write
	all      write // zero: not every name
	err      error // of the last try
	refused  uint64
	why      error // of the last refused write

	cancel context.CancelFunc // of the tries; nil: none is due
	quit   chan struct{}
	closed bool
	work   sync.WaitGroup
}

// A write is identified by the number of the Add that queued it last.
type write struct {
	call  uint64
	since time.Time // the first Add
}

// again is w after another Add.
func (w write) again(call uint64) write {
	if w.call == 0 {
		w.since = time.Now()
	}
	w.call = call
	return w
}

// NewQueue returns an empty queue. It calls do, from one goroutine, to make the writes of b.
// do returns those that must be made again, and the first error of these. It calls
// [Queue.Refuse] for one that the server permanently refuses. That one leaves the queue as
// if it was made.
func NewQueue(do func(ctx context.Context, b Batch) (open Batch, err error)) *Queue {
	return &Queue{do: do}
}

// Empty reports whether nothing is queued.
func (q *Queue) Empty() bool { return !q.some.Load() }

// Has reports whether a write of one of names is queued.
func (q *Queue) Has(names ...string) bool { return q.some.Load() && q.has(names) }

func (q *Queue) has(names []string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(names, func(name string) bool {
		if _, ok := q.names[name]; ok || q.all.call > 0 {
			return true
		}
		for pattern := range q.patterns {
			if keys.Match(pattern, name) {
				return true
			}
		}
		return false
	})
}

// Last returns the number of the last Add, or 0 if the queue is empty.
func (q *Queue) Last() uint64 {
	if !q.some.Load() {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls
}

// Forget removes names that another write has replaced. That write began when before was the
// last Add.
func (q *Queue) Forget(names []string, before uint64) {
	if before == 0 { // the queue was empty, and whatever is in it is newer
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		if q.names[name].call <= before {
			delete(q.names, name)
		}
	}
	q.some.Store(q.left())
}

// left reports whether anything is queued. The lock is held.
func (q *Queue) left() bool { return len(q.names) > 0 || len(q.patterns) > 0 || q.all.call > 0 }

// Add queues the writes of b. A closed queue ignores them.
func (q *Queue) Add(b Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.names == nil {
		q.names, q.patterns, q.wake = make(map[string]write), make(map[string]write), make(chan struct{}, 1)
	}
	q.calls++
	for _, name := range b.Names {
		q.names[name] = q.names[name].again(q.calls) // a try that is in flight does not count for it
	}
	for _, pattern := range b.Patterns {
		q.patterns[pattern] = q.patterns[pattern].again(q.calls)
	}
	if b.All || len(q.names) > MaxNames || len(q.patterns) > maxPatterns {
		q.all = q.all.again(q.calls)
		clear(q.names)
		clear(q.patterns)
	}
	if q.left() {
		q.start()
	}
}

// Counts returns the number of queued names and patterns, -1 for all names, and the age of
// the oldest.
func (q *Queue) Counts() (n int, oldest time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, of := range []map[string]write{q.names, q.patterns} {
		for _, w := range of {
			oldest = max(oldest, time.Since(w.since))
		}
	}
	if q.all.call > 0 {
		return -1, max(oldest, time.Since(q.all.since))
	}
	return len(q.names) + len(q.patterns), oldest
}

// Err returns the error of the last try, or nil if the queue is empty.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.left() {
		return nil
	}
	return q.err
}

// Refuse notes that the server permanently refuses a queued write, and reports whether it is
// the first one.
func (q *Queue) Refuse(err error) (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused++
	q.why = err
	return q.refused == 1
}

// Refused returns the number of writes that the server permanently refused, and the last error.
func (q *Queue) Refused() (n uint64, last error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refused, q.why
}

// Tries returns how many times the queue was worked on.
func (q *Queue) Tries() uint64 { return q.made.Load() }

// queued returns what is queued.
func (q *Queue) queued() (names, patterns map[string]write, all write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.names), maps.Clone(q.patterns), q.all
}
