package layered

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered/internal/fence"
	"github.com/lokroom/strata/store"
)

// A miss is the work for the keys of one read that need a load.
type miss[T any] struct {
	s       *Store[T]
	src     Source[T]
	strict  bool
	all     []*job[T]     // in any order
	open    []*job[T]     // those that have not ended: a part of all
	maxWait time.Duration // for a slot, under a lease
	waiter  fence.Waiter
	lease   deadline.Context // bounds the wait for the leases of other processes
	solo    solo

	one   job[T] // the only one, in the same allocation
	first [1]*job[T]
}

// A job is one key of a load.
type job[T any] struct {
	key  string
	c    *call[T]
	old  Found[T] // what the tiers have; Tier Origin: nothing. It is constant while the loader runs
	why  error    // L2 must not be asked about the key any more; nil: it may
	cut  bool     // L2 has not been asked
	mark token    // from before the load

	// The loader alone may use the entry of found and failure while it runs, which may be
	// longer than anything waits for it.
	found   Found[T] // the result
	failure error    // of the loader
	err     error    // of the load
	reload  bool     // old is passed to Reload
	same    bool     // Reload returned ErrNotModified

	grant  store.Grant
	not    uint64 // of the next request for a lease: see [store.Leaser]
	leased bool   // the lease must be returned

	refresh
}

// A refresh is what a job has that replaces an entry.
type refresh struct {
	base
	claim uint64        // in the background; 0: none, or released
	wait  time.Duration // in the background, before the next attempt
}

// newMiss returns a miss with room for n jobs.
func newMiss[T any](s *Store[T], src Source[T], strict bool, n int) *miss[T] {
	m := &miss[T]{s: s, src: src, strict: strict, maxWait: s.limit.MaxWait()}
	if n == 1 {
		m.first[0] = &m.one
		m.all = m.first[:0]
	} else {
		jobs := make([]job[T], n)
		m.all = make([]*job[T], n)
		for i := range jobs {
			m.all[i] = &jobs[i]
		}
		m.all = m.all[:0]
	}
	return m
}

// add returns one more job for the call c.
func (m *miss[T]) add(c *call[T], key string) *job[T] {
	m.all = m.all[:len(m.all)+1]
	m.open = m.all
	j := m.all[len(m.all)-1]
	j.c, j.key = c, key
	return j
}

// take removes from m.open the jobs for which is returns true, and returns them.
func (m *miss[T]) take(is func(*job[T]) bool) (taken []*job[T]) {
	taken, m.open = split(m.open, is)
	return taken
}

// split moves the jobs for which is returns true to the front, and returns both parts.
func split[T any](jobs []*job[T], is func(*job[T]) bool) (yes, no []*job[T]) {
	n := 0
	for i, j := range jobs {
		if !is(j) {
			continue
		}
		if i != n {
			jobs[i], jobs[n] = jobs[n], j
		}
		n++
	}
	return jobs[:n:n], jobs[n:]
}

// finishAll ends the calls that have not ended.
func (m *miss[T]) finishAll(err error) {
	for _, j := range m.all {
		j.c.Finish(Found[T]{}, err)
	}
}

func keysOf[T any](jobs []*job[T]) []string {
	ks := make([]string, len(jobs))
	for i, j := range jobs {
		ks[i] = j.key
	}
	return ks
}

// gather returns the context for a load of jobs. It has the values of the caller, and is
// cancelled when the contexts of all calls are, with the cause of the last: no caller waits
// any more.
func gather[T any](caller context.Context, jobs []*job[T]) (context.Context, context.CancelFunc) {
	if len(jobs) == 1 {
		return jobs[0].c.Context(), func() {}
	}
	calls := make([]*call[T], len(jobs))
	for i, j := range jobs {
		calls[i] = j.c
	}
	node := flight.Gather(caller, calls...)
	ctx, cancel := context.WithCancelCause(node)
	left := new(atomic.Int64)
	left.Store(int64(len(jobs)))
	for _, c := range calls {
		own := c.Context()
		context.AfterFunc(own, func() {
			if left.Add(-1) == 0 {
				cancel(context.Cause(own))
			}
		})
	}
	return ctx, func() {
		node.End()
		cancel(nil)
	}
}

func (j *job[T]) failSafe(s *Store[T], f Found[T], err error) {
	if f.Tier == Origin {
		j.c.Finish(Found[T]{}, err)
		return
	}
	s.count.staleServed.Add(1)
	f.Cause, f.asOf = err, 0 // flagged: readers that joined take it, too
	j.c.Finish(f, f.MissError())
}

// A loading is one call of a source.
type loading struct {
	flights context.Context // ends when no caller waits any more
	ctx     context.Context // of the loader: it ends with limit
	limit   deadline.Context
	leave   func() // must be called when the loader has returned
	end     func(hits int, err error)
	began   time.Time
	stamp   uint64
}

// A solo is the load of the only key of a miss. Its loader runs on the goroutine of the miss,
// since one more goroutine would cost as much as the rest. If the loader does not return soon
// after its context has ended, another goroutine ends the miss, and that of the loader does
// nothing more.
type solo struct {
	loading
	then    func()         // ends the call after the load
	taken   atomic.Bool    // a goroutine does what comes after the load
	left    bool           // it is not that of the loader, which alone may use left
	abandon deadline.Entry // when the loader is abandoned
}
