// Package flight makes callers who want the same thing at the same time share
// the work of getting it.
//
// It differs from golang.org/x/sync/singleflight in what a cache needs: results
// are typed; every waiter obeys its own context; the work runs on a context of
// its own, which is cancelled when the last waiter has left; a panic or
// runtime.Goexit in the work is an error for all; and the work can be forgotten
// while it is under way, so that its result still answers those who wait for it
// but is not kept, and nobody new joins it.
package flight

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
)

// ErrClosed is the error of a call on a group that was closed.
var ErrClosed = errors.New("closed")

const shardCount = 32

// A Group is a set of calls under way, by key. The zero Group is ready to use
// and must not be copied. All methods may be called concurrently.
type Group[T any] struct {
	Name string // what errors call the group. It must be set before the first call

	once   sync.Once
	seed   maphash.Seed
	shards [shardCount]shard[T]
	work   sync.WaitGroup // calls that have begun and not finished
}

type shard[T any] struct {
	mu     sync.Mutex
	live   map[string]*Call[T] // those that have not finished, by next
	block  map[string]int      // Blocks in force
	closed bool
	_      [32]byte // a cache line of its own
}

func (g *Group[T]) shard(key string) *shard[T] {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	return &g.shards[maphash.String(g.seed, key)%shardCount]
}

// A Call is one piece of work under way for a key.
type Call[T any] struct {
	group *Group[T]
	shard *shard[T]
	node  Node // what it is called by, and the values of its context

	// Guarded by shard.mu; once it has finished they do not change.
	finished bool
	value    *T // where the result is, or will be; nil: nowhere yet
	err      error

	// Guarded by shard.mu.
	done      chan struct{}   // closed at the end; nil until somebody waits
	ctx       context.Context // nil until asked for: not all work takes one
	cancel    context.CancelCauseFunc
	over      bool // ctx is cancelled, or will be when it is made
	waiters   int
	joined    bool // somebody waits, or has waited, beside who leads
	forgotten bool
	stands    bool          // Forget leaves it be
	open      bool          // newcomers of its kind join it: see Node.aside
	next      *Call[T]      // another one for the same key, begun before
	keeping   chan struct{} // not nil while Keep runs; closed at its end
	detached  bool          // it goes on when nobody waits
	offer     *offer[T]     // nil: nothing
	offers    chan struct{} // closed with the first; nil until asked for
	loading   Loading       // zero until there is a load
	forgets   chan struct{} // closed when the call is forgotten; nil until asked for
}

// Do returns what fn returns, and shared says that another caller's fn did the
// work. If a call for key is under way, Do joins it; else it starts fn on a
// goroutine of its own, with a context that has the values of ctx but neither
// its deadline nor its cancellation: it is cancelled when every caller who
// waits has left. A caller leaves when its own ctx is done, and then gets a
// [*ContextError].
//
// fn passes what it wants to keep to [Call.Keep].
func (g *Group[T]) Do(ctx context.Context, key string, fn func(context.Context, *Call[T]) (T, error)) (value T, shared bool, err error) {
	c, lead := g.Begin(ctx, key)
	if lead {
		go c.Run(fn)
	}
	value, err = c.Wait(ctx)
	return value, !lead, err
}

// Begin joins the call for key that is under way, or registers a new one and
// says that the caller leads it: it must see to it that Here, Run or Finish ends
// it, on any goroutine. Every caller of Begin must call Wait once.
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
	roomy := &struct { // one piece of memory
		Call[T]
		room T
	}{}
	c = &roomy.Call
	c.value = &roomy.room
	return c, s.lead(g, c, key, valuesOf(ctx), aside)
}

// valuesOf returns a context with the values of ctx that does not end.
func valuesOf(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// join joins the call that a newcomer is to join, if there is one. The lock is held.
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

// lead makes c a call that is under way. It returns false if the group is closed, and c
// has ended then. The lock is held.
func (s *shard[T]) lead(g *Group[T], c *Call[T], key string, values context.Context, aside bool) bool {
	c.group, c.shard, c.waiters = g, s, 1
	c.node.Context, c.node.cache, c.node.key, c.node.aside = values, &g.Name, key, aside
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

// Run does the work and finishes the call with what fn returns.
func (c *Call[T]) Run(fn func(context.Context, *Call[T]) (T, error)) {
	Protect(func() (T, error) { return fn(c.Context(), c) }, c.Finish)
}

// Here does work on the goroutine of the caller who leads, which is cheaper than
// one of its own by more than a hit in L2 may cost. If fn says that this was all, or
// does not return, it finishes the call. Else somebody has to call Run.
func (c *Call[T]) Here(fn func() (value T, all bool, err error)) (finished bool) {
	finished = true // stands if fn panics
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

// Context is the one that the work should run on.
func (c *Call[T]) Context() context.Context {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancelCause(&c.node)
		if c.over {
			c.cancel(c.shard.why())
		}
	}
	return c.ctx
}

// end cancels the context. The lock is held.
func (c *Call[T]) end() {
	c.over = true
	if c.cancel != nil {
		c.cancel(c.shard.why())
	}
}

// why returns why work is cancelled; nil if nobody waits for it, or it has ended. The lock
// is held.
func (s *shard[T]) why() error {
	if s.closed {
		return ErrClosed
	}
	return nil
}

// Values is Context without its cancellation, for what is cheaper to let end
// than to watch.
func (c *Call[T]) Values() context.Context { return &c.node }

// Finish ends the call with a result. Only the first Finish counts.
func (c *Call[T]) Finish(value T, err error) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if !c.finished {
		c.finish(&value, err)
	}
}

// finish copies the result. An error of work that Close has cancelled is ErrClosed. The
// lock is held.
func (c *Call[T]) finish(value *T, err error) {
	if c.shard.closed && errors.Is(err, context.Canceled) {
		err = ErrClosed
	}
	if c.value == nil {
		c.value = new(T)
	}
	*c.value, c.err = *value, err
	c.conclude()
}

// conclude ends the call, whose result is set. The lock is held.
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

// ended is closed.
var ended = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Keep runs keep unless the call was forgotten or its key is blocked, and
// reports whether it did. While it runs, Forget and Block of the key give those
// who must come after it something to wait for.
func (c *Call[T]) Keep(keep func()) bool {
	c.shard.mu.Lock()
	if c.forgotten || c.shard.block[c.node.key] > 0 {
		c.shard.mu.Unlock()
		return false
	}
	keeping := make(chan struct{})
	c.keeping = keeping
	c.shard.mu.Unlock()
	defer func() {
		c.shard.mu.Lock()
		c.keeping = nil
		c.shard.mu.Unlock()
		close(keeping)
	}()
	keep()
	return true
}

// Renew says that from here on the work rests on nothing that was read before:
// that the call was forgotten until now does not keep its result from being
// kept. Newcomers still do not join a call that was forgotten.
func (c *Call[T]) Renew() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.forgotten, c.stands = false, false
}

// Stand makes Forget leave the call be until Renew; and if it was forgotten before,
// newcomers join it again, unless one of them has begun another. It is for work that
// causes what it would be forgotten for, and whose result will tell whether anything
// else happened. Block and ForgetAll still forget the call, and it must not Keep.
func (c *Call[T]) Stand() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.stands = true
	if c.forgotten && c.waiters > 0 && c.shard.block[c.node.key] == 0 && c.shard.joined(c.node.key, c.node.aside) == nil {
		c.forgotten, c.open = false, true
	}
}

// Leave keeps newcomers from joining the call: they begin one of their own.
func (c *Call[T]) Leave() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.leave()
}

// Alone reports whether nobody has joined the call. Once it has finished, nobody will.
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

// leave keeps newcomers from joining c. The lock is held.
func (c *Call[T]) leave() { c.open = false }

// unlink takes c, which has finished, out of the list of its key. The lock is held.
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
// has finished. Work that fails because it was cancelled ends with ErrClosed, and a
// Begin after Close gets a call that has ended so.
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
