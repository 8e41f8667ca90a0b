// Package flight coalesces concurrent calls for the same key.
//
// It adds to golang.org/x/sync/singleflight what a cache needs. Results are typed. Every
// waiter obeys its own context. The work has a separate context, which is cancelled when
// the last waiter has left. A panic or runtime.Goexit in the work is an error for all
// waiters. A call in flight can be forgotten: its current waiters get the result, which is
// not kept, and no new caller joins it.
package flight

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/deadline"
)

// ErrClosed is the error of a call on a closed group.
var ErrClosed = errors.New("closed")

const shardCount = 32

// A Group is a set of calls in flight, by key. The zero Group is ready to use and must not
// be copied. All methods are safe for concurrent use.
type Group[T any] struct {
	Name string // name in errors. It must be set before the first call

	once   sync.Once
	seed   maphash.Seed
	shards [shardCount]shard[T]
	work   sync.WaitGroup // calls that have not finished

	homes, batches sync.Pool // of *home[T] and *Batch[T]: memory of calls that only their leader knew
}

type shard[T any] struct {
	mu     sync.Mutex
	live   map[string]*Call[T] // unfinished calls, linked by next
	block  map[string]int      // number of Blocks in force
	closed bool
	_      [32]byte // a separate cache line
}

func (g *Group[T]) shard(key string) *shard[T] {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	return &g.shards[maphash.String(g.seed, key)%shardCount]
}

// A Call is work in flight for a key.
type Call[T any] struct {
	group *Group[T]
	shard *shard[T]
	node  Node // identity of the load, with the values of its context
	work  deadline.Context

	value *T       // location of the result; nil: none yet. See Room
	home  *home[T] // nil: the call is one of a batch

	// Guarded by shard.mu; constant once the call has finished.
	finished bool
	err      error

	// Guarded by shard.mu.
	done      chan struct{} // closed at the end; nil until a caller waits
	unwanted  Unwanted      // see Watch; nil: nothing
	waiters   int
	joined    bool // a caller other than the leader waits, or has waited
	settled   bool // Settle has ended it, and nobody had joined
	forgotten bool
	stands    bool          // Forget has no effect
	open      bool          // newcomers of its kind join it: see Node.aside
	keeps     bool          // Keep runs
	detached  bool          // it continues without waiters
	next      *Call[T]      // an earlier call for the same key
	keeping   chan struct{} // closed at its end; nil until needed
	offer     *offer[T]     // nil: none
	offers    chan struct{} // closed with the first offer; nil until needed
	loading   Loading       // zero until a load starts
	forgets   chan struct{} // closed when the call is forgotten; nil until needed
}

// A home is a call and its result, in one allocation.
type home[T any] struct {
	Call[T]
	room T
}

// Begin joins the call for key that is in flight, or starts a new one with lead set. The
// leader must make sure that Here, Run or Finish ends the call, on any goroutine. Every
// caller of Begin must call Wait once.
func (g *Group[T]) Begin(ctx context.Context, key string) (c *Call[T], lead bool) {
	return g.begin(ctx, key, false)
}

func (g *Group[T]) begin(ctx context.Context, key string, aside bool) (c *Call[T], lead bool) {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.join(key, aside); c != nil {
		return c, false
	}
	h, _ := g.homes.Get().(*home[T])
	if h == nil {
		h = new(home[T])
	}
	c = &h.Call
	c.home, c.value = h, &h.room
	return c, s.lead(g, c, key, valuesOf(ctx), aside)
}

// valuesOf returns a context with the values of ctx that does not end.
func valuesOf(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// join returns the call that a newcomer joins, or nil. The lock is held.
func (s *shard[T]) join(key string, aside bool) *Call[T] {
	c := s.joined(key, aside)
	if c != nil {
		c.waiters++
		c.joined = true
	}
	return c
}

func (s *shard[T]) joined(key string, aside bool) *Call[T] {
	for c := s.live[key]; c != nil; c = c.next {
		if c.open && c.node.aside == aside {
			return c
		}
	}
	return nil
}

// lead registers c as a call in flight. If the group is closed, it ends c and returns
// false. The lock is held.
func (s *shard[T]) lead(g *Group[T], c *Call[T], key string, values context.Context, aside bool) bool {
	c.group, c.shard, c.waiters = g, s, 1
	c.node.Context, c.node.cache, c.node.key, c.node.aside = values, &g.Name, key, aside
	c.work.Start(&c.node, time.Time{})
	if s.closed {
		c.finished, c.err = true, ErrClosed
		return false
	}
	if s.live == nil {
		s.live = make(map[string]*Call[T])
	}
	c.open = true
	c.next, s.live[key] = s.live[key], c
	g.work.Add(1)
	return true
}

// Run runs fn and finishes the call with its result.
func (c *Call[T]) Run(fn func(context.Context, *Call[T]) (T, error)) {
	Protect(func() (T, error) { return fn(c.Context(), c) }, c.Finish)
}

// Here runs fn on the goroutine of the leader; a new goroutine may cost more than a hit in
// L2. If fn returns all, or does not return, Here finishes the call. Otherwise the leader
// must see that Run is called.
func (c *Call[T]) Here(fn func() (value T, all bool, err error)) (finished bool) {
	finished = true // if fn panics
	Protect(func() (value T, err error) {
		value, finished, err = fn()
		return value, err
	}, func(value T, err error) {
		if finished {
			c.Finish(value, err)
		}
	})
	return finished
}

// Key is the key of the call.
func (c *Call[T]) Key() string { return c.node.key }

// Context returns the context for the work.
func (c *Call[T]) Context() context.Context { return &c.work }

// An Unwanted is work that is notified when its result is not wanted any more.
type Unwanted interface {
	// Unwanted is called once, with a lock of the call held.
	Unwanted()
}

// Watch calls w.Unwanted when the context of the work is cancelled before the call has
// finished, or now, if it was.
func (c *Call[T]) Watch(w Unwanted) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.unwanted = w; !c.finished && c.work.Cancelled() {
		c.end()
	}
}

// end cancels the context. The lock is held.
func (c *Call[T]) end() {
	c.work.Cancel(c.shard.why())
	if w := c.unwanted; w != nil && !c.finished {
		c.unwanted = nil
		w.Unwanted()
	}
}

// why returns why the work is cancelled, or nil if it has no waiters or has ended. The lock
// is held.
func (s *shard[T]) why() error {
	if s.closed {
		return ErrClosed
	}
	return nil
}

// Values returns Context without cancellation, for work that is cheaper to complete than to
// watch.
func (c *Call[T]) Values() context.Context { return &c.node }

// Room returns the place of the result. Until the call ends, its leader may use it for
// anything: the result that Finish stores replaces it.
func (c *Call[T]) Room() *T {
	if c.value == nil {
		c.value = new(T)
	}
	return c.value
}

// Finish ends the call with a result. Only the first Finish has an effect.
func (c *Call[T]) Finish(value T, err error) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if !c.finished {
		c.finish(&value, err)
	}
}

// finish stores the result. An error of work that Close has cancelled becomes ErrClosed.
// The lock is held.
func (c *Call[T]) finish(value *T, err error) {
	if c.shard.closed && errors.Is(err, context.Canceled) {
		err = ErrClosed
	}
	*c.Room(), c.err = *value, err
	c.conclude()
}

// conclude ends a call that has its result. The lock is held.
func (c *Call[T]) conclude() {
	c.finished = true
	c.node.End()
	if c.done != nil {
		close(c.done)
	}
	c.end()
	c.leave()
	c.shard.unlink(c)
	c.group.work.Done()
}

// Wait returns the result of the call, or a [*ContextError] if ctx is done first.
func (c *Call[T]) Wait(ctx context.Context) (value T, err error) {
	done := c.Done()
	select {
	case <-done:
	default:
		select {
		case <-done:
		case <-ctx.Done():
			c.Quit()
			return value, &ContextError{context.Cause(ctx)}
		}
	}
	if c.value != nil {
		value = *c.value
	}
	return value, c.err
}

// Done returns a channel that is closed when the call has a result.
func (c *Call[T]) Done() <-chan struct{} {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.finished {
		return ended
	}
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}

// ended is a closed channel.
var ended = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Keep runs keep unless the call was forgotten or its key is blocked, and reports whether
// it did. While it runs, Forget and Block of the key return a channel to wait for its end.
func (c *Call[T]) Keep(keep func()) bool {
	c.shard.mu.Lock()
	if c.forgotten || c.shard.block[c.node.key] > 0 {
		c.shard.mu.Unlock()
		return false
	}
	c.keeps = true
	c.shard.mu.Unlock()
	defer func() {
		c.shard.mu.Lock()
		defer c.shard.mu.Unlock()
		c.keeps = false
		if c.keeping != nil {
			close(c.keeping)
			c.keeping = nil
		}
	}()
	keep()
	return true
}

// Renew states that from now on the work does not depend on earlier reads: its result may
// be kept although the call was forgotten before. Newcomers still do not join a forgotten
// call.
func (c *Call[T]) Renew() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.forgotten, c.stands = false, false
}

// Stand makes Forget ignore the call until Renew. If it was forgotten before, newcomers
// join it again, unless one of them has started another call. It is for work that itself
// causes the Forget, and has a result that shows other changes. Block and ForgetAll still
// apply, and the call must not Keep.
func (c *Call[T]) Stand() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.stands = true
	if c.forgotten && c.waiters > 0 && c.shard.block[c.node.key] == 0 && c.shard.joined(c.node.key, c.node.aside) == nil {
		c.forgotten, c.open = false, true
	}
}

// Leave prevents newcomers from joining the call: they start a new one.
func (c *Call[T]) Leave() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.leave()
}

// Alone reports whether no other caller has joined. Once the call has finished, none will.
func (c *Call[T]) Alone() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return !c.joined
}

// Forgotten reports whether the call was forgotten.
func (c *Call[T]) Forgotten() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.forgotten
}

// leave prevents newcomers from joining c. The lock is held.
func (c *Call[T]) leave() { c.open = false }

// unlink removes the finished call c from the list of its key. The lock is held.
func (s *shard[T]) unlink(c *Call[T]) {
	head := s.live[c.node.key]
	if head == c {
		if c.next == nil {
			delete(s.live, c.node.key)
		} else {
			s.live[c.node.key] = c.next
		}
		return
	}
	for ; head != nil; head = head.next {
		if head.next == c {
			head.next = c.next
			return
		}
	}
}

// Close cancels the work of all calls, with ErrClosed as the cause, and waits until each
// has finished. Work that fails because of that ends with ErrClosed. A Begin after Close
// returns a call that has ended with ErrClosed.
func (g *Group[T]) Close() {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		s.closed = true
		for _, c := range s.live {
			for ; c != nil; c = c.next {
				c.end()
			}
		}
		s.mu.Unlock()
	}
	g.work.Wait()
}
