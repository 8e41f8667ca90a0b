package retry

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
)

// start begins to work on the queue. The lock is held.
func (q *Queue) start() {
	q.some.Store(true)
	if q.cancel != nil {
		return
	}
	var ctx context.Context
	ctx, q.cancel = context.WithCancel(context.Background())
	q.quit = make(chan struct{})
	q.work.Go(func() { q.run(ctx, q.quit) })
}

// run works on the queue until it is empty.
func (q *Queue) run(ctx context.Context, quit <-chan struct{}) {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		t := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-t.C:
		case <-q.wake:
			t.Stop()
		case <-quit:
			t.Stop()
			return
		}
		done, err := q.try(ctx)
		switch {
		case done:
			return
		case err == nil:
			wait = firstWait
		}
	}
}

// try makes the queued writes once, and reports whether the queue is empty.
func (q *Queue) try(ctx context.Context) (empty bool, err error) {
	names, patterns, all := q.queued()
	q.made.Add(1)
	open, err := q.do(ctx, Batch{Names: slices.Collect(maps.Keys(names)), Patterns: slices.Collect(maps.Keys(patterns)), All: all.call > 0})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	remove(q.names, names, open.Names)
	remove(q.patterns, patterns, open.Patterns)
	if !open.All && q.all.call == all.call {
		q.all = write{}
	}
	if q.left() {
		return false, err
	}
	q.some.Store(false)
	q.cancel()
	q.cancel = nil
	return true, err
}

// remove removes from queued what was tried and is not open, unless it was added again
// meanwhile.
func remove(queued, tried map[string]write, open []string) {
	for _, name := range open {
		delete(tried, name)
	}
	for name, was := range tried {
		if queued[name].call == was.call {
			delete(queued, name)
		}
	}
}

// Wake has the queue worked on at once: the server is there again.
func (q *Queue) Wake() {
	if !q.some.Load() {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Flush waits until the queue is empty or ctx has ended, and reports whether it is empty.
func (q *Queue) Flush(ctx context.Context) (empty bool) {
	q.Wake()
	for wait := time.Millisecond; q.some.Load() && ctx.Err() == nil; wait = min(2*wait, firstWait) {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		q.Wake()
	}
	return !q.some.Load()
}

// Stop ends the tries, also one that is in flight. What is queued is lost.
func (q *Queue) Stop() {
	q.mu.Lock()
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	q.close()
}

// close ends the tries after one that is in flight.
func (q *Queue) close() {
	q.mu.Lock()
	if !q.closed && q.cancel != nil {
		close(q.quit)
	}
	q.closed = true
	q.mu.Unlock()
	q.work.Wait()
}

// Close tries for d to empty the queue, after a try that is in flight, and ends the tries. It
// reports whether the queue is empty. Otherwise what is queued is lost, and err is the error
// of the last try, or nil if there was no time for one.
func (q *Queue) Close(d time.Duration) (empty bool, err error) {
	q.close()
	if q.Empty() {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for {
		if empty, err = q.try(ctx); empty {
			return true, nil
		}
		t := time.NewTimer(firstWait)
		select {
		case <-q.wake:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false, err
		}
		t.Stop()
	}
}
