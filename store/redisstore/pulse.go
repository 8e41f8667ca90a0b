package redisstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// DefaultMaxUnheard is how long Redis may be silent where nothing else is said.
const DefaultMaxUnheard = 2 * time.Second

// A pulse makes sure that pushes arrive. Four times in the span that Redis may be
// silent, T writes to each primary, and what was sent before is known to have
// arrived once it is answered: replies and pushes share one order on the wire.
// A write, because a primary that was demoted goes on answering reads.
//
// It beats while somebody listens. What is read on T between beats that are
// overdue waits for a beat of its own: see [pulse.ensure].
type pulse struct {
	client *Client
	most   time.Duration // of silence

	live  atomic.Bool                 // a heartbeat was answered lately
	hears atomic.Bool                 // so it was, and pushes arrive
	leaks atomic.Bool                 // pushes may be missing: see crowded and errNoPushes
	clock atomic.Pointer[serverClock] // nil: not known

	// refused is the error of the last heartbeat if the user may not send it, else nil.
	refused atomic.Pointer[refusedError]

	// moves counts connections that came and went while it beats: see moved.
	moves  atomic.Uint64
	agreed uint64   // the moves at which T and W were seen to agree; of the attempt
	ids    []string // of the data of the primaries, at the last beat; of the attempt

	exchanges exchangeCount // at the last beat; of the attempt

	topology topology // of a cluster
	pushes   pushTests

	mu      sync.Mutex
	ears    []*ear
	until   time.Time       // hears until then
	last    time.Time       // when the last beat was sent that was answered, or the beating began
	timer   *time.Timer     // ends hearing
	attempt *beat           // under way
	ctx     context.Context // of the beating; nil: nobody listens
	cancel  context.CancelFunc
	closed  bool
	key     string // that is written

	evictions map[string]int64 // by the key that is written, what its server had evicted

	answered bool           // a beat was, since the beating began
	mute     error          // errNoPushes while pushes do not arrive
	noInfo   error          // why failovers are not noticed; nil: they are
	hurried  chan struct{}  // see hurry
	work     sync.WaitGroup // goroutines of it
}

// A serverClock tells the time of the server: of a cluster, that of the node whose
// clock is most ahead.
type serverClock struct {
	sent time.Time // the question
	ms   int64     // the answer, in ms since the epoch
}

// at returns the time of the server at t. It is never behind, so that what ends by it
// never ends late: two parts were rounded down.
func (c *serverClock) at(t time.Time) int64 { return c.ms + 2 + t.Sub(c.sent).Milliseconds() }

// A beat is one attempt, shared by all who wait for it.
type beat struct {
	done chan struct{}
	err  error
}

// stop ends the beating for good and waits for it.
func (p *pulse) stop() {
	p.mu.Lock()
	p.closed = true
	p.end()
	p.mu.Unlock()
	p.work.Wait()
}

// end ends the beating. The lock is held.
func (p *pulse) end() {
	if p.ctx == nil {
		return
	}
	p.cancel()
	p.clock.Store(nil)
	p.ctx, p.until = nil, time.Time{}
	p.deafen()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// deafen tells that nothing is heard any more. The lock is held.
func (p *pulse) deafen() {
	p.live.Store(false)
	p.tell(false)
}

// tell tells the ears if it is new to them. The lock is held.
func (p *pulse) tell(hears bool) {
	if p.hears.Swap(hears) == hears {
		return
	}
	for _, e := range p.ears {
		e.tell(hears)
	}
}

func (p *pulse) run(ctx context.Context) {
	defer p.work.Done()
	t := time.NewTicker(max(p.most/4, time.Millisecond))
	defer t.Stop()
	touched := time.Now()
	for {
		b := p.begin(ctx)
		<-b.done
		p.client.afterBeat(ctx, b.err)
		if time.Since(touched) > touchEvery {
			touched = time.Now()
			p.client.touch(ctx)
		}
		if !p.rest(ctx, t.C) {
			return
		}
	}
}

// touchEvery is how often what Redis must not evict is used.
const touchEvery = time.Minute

// touch uses the keys on which much depends. That it fails does no harm: if they
// are evicted, they are made anew.
func (c *Client) touch(ctx context.Context) {
	call, cancel := c.deadlines.Begin(ctx)
	defer cancel()
	for _, t := range c.tags.list() {
		if t.touch(call) != nil {
			return
		}
	}
}

// ensure returns nil if Redis was heard of lately, and makes sure if not. A read
// on T that is sent after it is answered by a primary, and by one whose pushes
// arrive. Without listeners it does nothing.
func (p *pulse) ensure(ctx context.Context) error {
	if p.live.Load() {
		return nil
	}
	p.mu.Lock()
	beating := p.ctx
	p.mu.Unlock()
	if beating == nil {
		return nil
	}
	if refused := p.refused.Load(); refused != nil { // the next heartbeat asks again
		return &unheardError{refused}
	}
	b := p.begin(beating)
	select {
	case <-b.done:
		if b.err != nil && !errors.Is(b.err, errNoPushes) {
			return &unheardError{b.err}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sync returns when the watchers of this client have been told of every change that
// was answered to its writer, anywhere, before the call. It asks each primary once,
// together with all who call it at the same time.
func (c *Client) Sync(ctx context.Context) error {
	call, cancel := c.deadlines.Begin(ctx)
	defer cancel()
	if err := c.pulse.sync(call); err != nil {
		return &store.Error{Store: storeName, Op: "sync", Err: c.cause(ctx, err)}
	}
	return nil
}

func (p *pulse) sync(ctx context.Context) error {
	p.mu.Lock()
	beating, running := p.ctx, p.attempt
	p.mu.Unlock()
	if beating == nil { // nobody listens, or beats are not wanted
		_, err := p.ask(ctx, false)
		return err
	}
	if running != nil { // it may have been sent before the change
		select {
		case <-running.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b := p.begin(beating)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin returns the attempt that is under way, or a new one. ctx is that of the
// beating that it is part of.
func (p *pulse) begin(ctx context.Context) *beat {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attempt == nil {
		p.attempt = &beat{done: make(chan struct{})}
		p.work.Add(1)
		go p.try(ctx, p.attempt)
	}
	return p.attempt
}

// try makes one attempt, which begins anew when a connection broke or was replaced.
func (p *pulse) try(beating context.Context, b *beat) {
	defer p.work.Done()
	ctx, cancel := context.WithTimeout(beating, max(p.most/2, 10*time.Millisecond))
	defer cancel()
	for try := 1; try <= maxTries; try++ {
		b.err = p.tryOnce(beating, ctx)
		if !isBroken(ctx, b.err) || errors.Is(b.err, store.ErrUnavailable) { // known, or our own
			break
		}
	}
	p.mu.Lock()
	p.attempt = nil
	p.mu.Unlock()
	close(b.done)
}

func (p *pulse) tryOnce(beating, ctx context.Context) error {
	moves, sent := p.moves.Load(), time.Now()
	p.pushes.begin(moves)
	a, err := p.ask(ctx, moves != p.agreed)
	if beating.Err() == nil {
		p.client.breakers.beat(err)
		p.hush(err == nil || isRefused(err), sent)
		p.client.noteBeat(beating, err)
	}
	var mute error
	if err == nil {
		mute = p.learned(beating, &a, moves)
	}
	jumped := false
	defer func() {
		if jumped { // the ends of copies were told by a clock that was set
			p.client.watchers.tellAll()
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case beating.Err() != nil:
		return err
	case errors.Is(err, errDemoted) || errors.Is(err, errApart):
		p.until = time.Time{}
		p.deafen()
		return err
	case err != nil:
		return err
	case p.moves.Load() != moves:
		return errMoved
	}
	p.agreed = moves
	p.noInfo = a.noInfo
	if a.ms != 0 {
		old := p.clock.Swap(&serverClock{sent: sent, ms: a.ms})
		jumped = old != nil && max(a.ms-old.at(sent), old.at(sent)-a.ms) > p.most.Milliseconds()
	}
	if mutant.LatePulse.Load() {
		sent = time.Now()
	}
	p.mute = mute
	p.heard(sent.Add(p.most), mute == nil)
	return mute
}

// learned passes on what an answered heartbeat has told, before it counts. It returns
// errNoPushes if pushes do not arrive.
func (p *pulse) learned(beating context.Context, a *vitals, moves uint64) error {
	p.compare(a)
	mute := p.mute
	if p.moves.Load() == moves {
		mute = p.judge(beating, a.tests, moves)
	}
	p.leaks.Store(a.leaks || mute != nil)
	if mute != nil || p.mute != nil { // what was read until they arrive again is suspect, too
		p.client.watchers.tellAll()
	}
	return mute
}

// heard says that everything sent before was answered. It counts from when it was
// sent: what was answered later may have been told since. The lock is held.
func (p *pulse) heard(until time.Time, pushes bool) {
	left := time.Until(until)
	if left <= 0 || until.Before(p.until) {
		return
	}
	p.until = until
	if p.timer == nil {
		p.timer = time.AfterFunc(left, p.silent)
	} else {
		p.timer.Reset(left)
	}
	p.live.Store(true)
	p.tell(pushes)
}

// silent is called when the time is over that Redis may be silent.
func (p *pulse) silent() {
	if p.overdue() {
		p.hush(false, time.Time{})
	}
}

func (p *pulse) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		return false
	}
	if left := time.Until(p.until); left > 0 {
		p.timer.Reset(left)
		return false
	}
	p.deafen()
	return true
}
