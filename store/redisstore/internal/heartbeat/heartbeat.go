// Package heartbeat makes sure that invalidations arrive, and that what Redis answers is what
// it answered before: the periodic check of each primary.
package heartbeat

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// A Heartbeat makes sure that pushes arrive. Four times in MaxDisconnected T writes to each
// primary. What was sent before is known to have arrived once that is answered: replies and
// pushes share one order on the wire. It is a write because a primary that was demoted goes
// on answering reads.
//
// It runs while there are listeners. A read on T that finds the heartbeat overdue waits for
// another one: see [Heartbeat.Ensure].
type Heartbeat struct {
	link            *link.Link
	watchers        *notify.Fanout
	hooks           Hooks
	MaxDisconnected time.Duration // without an answer

	live      atomic.Bool                 // a heartbeat was answered lately
	connected atomic.Bool                 // so it was, and pushes arrive
	lossy     atomic.Bool                 // pushes may be missing: see crowded and ErrNoPushes
	Clock     atomic.Pointer[ServerClock] // nil: not known

	// refused is the error of the last heartbeat if the user may not send it, else nil.
	refused atomic.Pointer[RefusedError]

	took atomic.Int64 // nanoseconds of the last heartbeat that was answered

	// Generation counts connections that came and went while it runs: see Replaced.
	Generation       atomic.Uint64
	agreedGeneration uint64   // the generation in which T and W were seen to agree; of the attempt
	ids              []string // of the data of the primaries, at the last heartbeat; of the attempt

	exchanges exchangeCount // at the last heartbeat; of the attempt

	topology topology // of a cluster
	pushes   pushTests

	mu             sync.Mutex
	listeners      []*notify.Listener
	connectedUntil time.Time       // invalidations arrive until then
	lastContact    time.Time       // when the last heartbeat was sent that was answered, or it began to run
	timer          *time.Timer     // disconnects
	attempt        *attempt        // under way
	ctx            context.Context // while it runs; nil: there are no listeners
	cancel         context.CancelFunc
	closed         bool
	key            string // that is written

	evictions map[string]int64 // by the key that is written, what its server had evicted

	log connectionLog

	answered bool           // a heartbeat was, since it began to run
	noPushes error          // ErrNoPushes while pushes do not arrive
	noInfo   error          // why failovers are not noticed; nil: they are
	hurried  chan struct{}  // see hurry
	Work     sync.WaitGroup // goroutines of it
}

// Hooks are what a heartbeat calls on its own goroutine.
type Hooks struct {
	After func(ctx context.Context, err error) // a heartbeat has ended with err
	Touch func(ctx context.Context)            // every [touchEvery]: use what Redis must not evict
}

// touchEvery is how often what Redis must not evict is used.
const touchEvery = time.Minute

// NewHeartbeat returns one that begins when there is a listener. Invalidations may be lost
// for as long as most.
func New(c *link.Link, ws *notify.Fanout, most time.Duration, h Hooks) *Heartbeat {
	return &Heartbeat{link: c, watchers: ws, hooks: h, MaxDisconnected: most, key: anyKey, hurried: make(chan struct{}, 1)}
}

// A ServerClock has the time of the server: of a cluster, that of the node with the clock
// that is most ahead.
type ServerClock struct {
	sent time.Time // the question
	ms   int64     // the answer, in ms since the epoch
}

// At returns the time of the server at t. It is never behind, so that what ends by it
// never ends late: two parts were rounded down.
func (c *ServerClock) At(t time.Time) int64 { return c.ms + 2 + t.Sub(c.sent).Milliseconds() }

// An attempt is one heartbeat, shared by all callers that wait for it.
type attempt struct {
	done chan struct{}
	err  error
}

// Stop ends it for good and waits for it.
func (p *Heartbeat) Stop() {
	p.mu.Lock()
	p.closed = true
	p.end()
	p.mu.Unlock()
	p.Work.Wait()
}

// end stops running. The lock is held.
func (p *Heartbeat) end() {
	if p.ctx == nil {
		return
	}
	p.cancel()
	p.Clock.Store(nil)
	p.ctx, p.connectedUntil = nil, time.Time{}
	p.disconnect()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// disconnect notes that invalidations may not arrive any more. The lock is held.
func (p *Heartbeat) disconnect() {
	p.live.Store(false)
	p.notify(false)
}

// notify notifies the listeners of a change. The lock is held.
func (p *Heartbeat) notify(connected bool) {
	if p.connected.Swap(connected) == connected {
		return
	}
	p.log.changed(connected, p.ctx != nil)
	for _, l := range p.listeners {
		l.Connected(connected)
	}
}

func (p *Heartbeat) run(ctx context.Context) {
	defer p.Work.Done()
	t := time.NewTicker(max(p.MaxDisconnected/4, time.Millisecond))
	defer t.Stop()
	touched := time.Now()
	for {
		b := p.begin(ctx)
		<-b.done
		p.hooks.After(ctx, b.err)
		p.logConnection(ctx, b.err)
		if time.Since(touched) > touchEvery {
			touched = time.Now()
			p.hooks.Touch(ctx)
		}
		if !p.rest(ctx, t.C) {
			return
		}
	}
}

// Ensure returns nil if Redis has answered lately, and makes sure if not. A read
// on T that is sent after it is answered by a primary with pushes that
// arrive. Without listeners it does nothing.
func (p *Heartbeat) Ensure(ctx context.Context) error {
	if p.live.Load() {
		return nil
	}
	p.mu.Lock()
	running := p.ctx
	p.mu.Unlock()
	if running == nil {
		return nil
	}
	if refused := p.refused.Load(); refused != nil { // the next heartbeat asks again
		return &UnreachableError{refused}
	}
	b := p.begin(running)
	select {
	case <-b.done:
		if b.err != nil && !errors.Is(b.err, ErrNoPushes) {
			return &UnreachableError{b.err}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Heartbeat) Sync(ctx context.Context) error {
	p.mu.Lock()
	running, current := p.ctx, p.attempt
	p.mu.Unlock()
	if running == nil { // there are no listeners, or no heartbeat is wanted
		_, err := p.ask(ctx, false)
		return err
	}
	if current != nil { // it may have been sent before the change
		select {
		case <-current.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b := p.begin(running)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin returns the attempt that is under way, or a new one. ctx is that of the
// run that it is part of.
func (p *Heartbeat) begin(ctx context.Context) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attempt == nil {
		p.attempt = &attempt{done: make(chan struct{})}
		p.Work.Add(1)
		go p.try(ctx, p.attempt)
	}
	return p.attempt
}

// try makes one attempt, which begins again when a connection broke or was replaced.
func (p *Heartbeat) try(life context.Context, b *attempt) {
	defer p.Work.Done()
	ctx, cancel := context.WithTimeout(life, max(p.MaxDisconnected/2, 10*time.Millisecond))
	defer cancel()
	for try := 1; try <= link.MaxTries; try++ {
		b.err = p.tryOnce(life, ctx)
		if !link.IsBroken(ctx, b.err) || errors.Is(b.err, store.ErrUnavailable) { // known, or our own
			break
		}
	}
	p.mu.Lock()
	p.attempt = nil
	p.mu.Unlock()
	close(b.done)
}

func (p *Heartbeat) tryOnce(life, ctx context.Context) error {
	generation, sent := p.Generation.Load(), time.Now()
	p.pushes.begin(generation)
	a, err := p.ask(ctx, generation != p.agreedGeneration)
	if err == nil {
		p.took.Store(int64(time.Since(sent)))
	}
	if life.Err() == nil {
		p.link.Breakers.Heartbeat(err)
		p.noteAnswer(err == nil || IsRefused(err), sent)
		p.note(life, err)
	}
	var noPushes error
	if err == nil {
		noPushes = p.learned(life, &a, generation)
	}
	jumped := false
	defer func() {
		if jumped { // the ends of copies were computed by a clock that was set
			p.watchers.All()
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case life.Err() != nil:
		return err
	case errors.Is(err, link.ErrDemoted) || errors.Is(err, link.ErrApart):
		p.connectedUntil = time.Time{}
		p.disconnect()
		return err
	case err != nil:
		return err
	case p.Generation.Load() != generation:
		return link.ErrReplaced
	}
	p.agreedGeneration = generation
	p.noInfo = a.noInfo
	if a.ms != 0 {
		old := p.Clock.Swap(&ServerClock{sent: sent, ms: a.ms})
		jumped = old != nil && max(a.ms-old.At(sent), old.At(sent)-a.ms) > p.MaxDisconnected.Milliseconds()
	}
	if mutant.LateHeartbeat.Load() {
		sent = time.Now()
	}
	p.noPushes = noPushes
	p.extend(sent.Add(p.MaxDisconnected), noPushes == nil)
	return noPushes
}

// learned passes on what an answered heartbeat has found, before it counts. It returns
// ErrNoPushes if pushes do not arrive.
func (p *Heartbeat) learned(life context.Context, a *nodeStatus, generation uint64) error {
	p.compare(a)
	noPushes := p.noPushes
	if p.Generation.Load() == generation {
		noPushes = p.judgePushes(life, a.tests, generation)
	}
	p.lossy.Store(a.lossy || noPushes != nil)
	if noPushes != nil || p.noPushes != nil { // what was read until they arrive again is suspect, too
		p.watchers.All()
	}
	return noPushes
}

// extend says that everything sent before was answered. It counts from when it was
// sent: of what was answered later an invalidation may have come since. The lock is held.
func (p *Heartbeat) extend(until time.Time, pushes bool) {
	left := time.Until(until)
	if left <= 0 || until.Before(p.connectedUntil) {
		return
	}
	p.connectedUntil = until
	if p.timer == nil {
		p.timer = time.AfterFunc(left, p.expired)
	} else {
		p.timer.Reset(left)
	}
	p.live.Store(true)
	p.notify(pushes)
}

// expired is called when MaxDisconnected has passed without an answer.
func (p *Heartbeat) expired() {
	if p.overdue() {
		p.noteAnswer(false, time.Time{})
	}
}

func (p *Heartbeat) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		return false
	}
	if left := time.Until(p.connectedUntil); left > 0 {
		p.timer.Reset(left)
		return false
	}
	p.disconnect()
	return true
}

// note notes the error of a heartbeat. One that is refused is the answer to reads until
// the next one.
func (p *Heartbeat) note(life context.Context, err error) {
	var refused *RefusedError
	errors.As(err, &refused)
	p.refused.Store(refused)
	if err != nil && !errors.Is(err, link.ErrReplaced) {
		_ = p.link.Cause(life, err) // notes it
	}
}
