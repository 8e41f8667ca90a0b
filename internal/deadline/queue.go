package deadline

import (
	"sync"
	"time"
)

// A Queue calls Expirers at deadlines, with one timer for all. It is for deadlines that
// come in the order in which they are added, such as those of operations with the same
// timeout; one that is added too late is called together with the one before it. The timer
// is not stopped when its deadline is removed: an operation that ends in time costs no
// change of a timer.
//
// The zero Queue is empty. Its methods may be called concurrently.
type Queue struct {
	mu          sync.Mutex
	first, last *Entry
	timer       *time.Timer // nil until the first Add
	armed       bool        // the timer will call fire
	stopped     bool
}

// An Entry is a deadline in a Queue. It must not be copied, or be in two Queues.
type Entry struct {
	queue      *Queue // nil: in none
	at         time.Time
	prev, next *Entry
	what       Expirer
}

// An Expirer is what has a deadline.
type Expirer interface {
	Expired() // is called once, on its own goroutine
}

// Add calls what.Expired at a time, unless Remove is called before. A stopped Queue does
// nothing.
func (q *Queue) Add(e *Entry, at time.Time, what Expirer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	e.queue, e.at, e.what, e.prev = q, at, what, q.last
	if q.last == nil {
		q.first = e
	} else {
		q.last.next = e
	}
	q.last = e
	q.arm()
}

// arm starts the timer for the first deadline, unless it runs. The lock is held.
func (q *Queue) arm() {
	if q.armed || q.first == nil || q.stopped {
		return
	}
	q.armed = true
	wait := time.Until(q.first.at)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.fire)
	} else {
		q.timer.Reset(wait)
	}
}

// Remove removes e, if it is in q.
func (q *Queue) Remove(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.queue == q {
		q.remove(e)
	}
}

// remove unlinks e. The lock is held.
func (q *Queue) remove(e *Entry) {
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.queue, e.prev, e.next = nil, nil, nil
}

// fire calls what is due.
func (q *Queue) fire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = false
	for now := time.Now(); q.first != nil && !now.Before(q.first.at); {
		e := q.first
		q.remove(e)
		go e.what.Expired()
	}
	q.arm()
}

// Stop makes q forget its deadlines, and those that are added later.
func (q *Queue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	for q.first != nil {
		q.remove(q.first)
	}
	if q.timer != nil {
		q.timer.Stop()
	}
}
