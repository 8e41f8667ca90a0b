package layered

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// grace is how long a loader has to return after its context ended.
const grace = 100 * time.Millisecond

// orphans are orphaned loads: calls of loaders that no caller waits for any more.
type orphans struct{ sync.WaitGroup }

// ask calls a loader. It returns a [*flight.ContextError] if ctx has ended and the loader does
// not return, and the error of one that panics. leave is called when the loader has
// returned.
func ask(ctx context.Context, away *orphans, leave, load func()) error {
	done := make(chan struct{})
	var failed error
	away.Go(func() {
		roomToAsk()
		defer close(done)
		defer leave()
		protect(load, func(err error) { failed = err })
	})
	select {
	case <-done:
		return failed
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-done:
		return failed
	case <-t.C:
		return &flight.ContextError{Cause: context.Cause(ctx)}
	}
}

// protect runs fn. failed is called if fn panics or ends its goroutine.
func protect(fn func(), failed func(error)) {
	flight.Protect(func() (struct{}, error) {
		fn()
		return struct{}{}, nil
	}, func(_ struct{}, err error) {
		if err != nil {
			failed(err)
		}
	})
}

// A goroutine begins with a small stack, which is copied each time it must grow. Loads nest
// deeply, with entries in most frames: copying took a fifth of a miss. Growing the stack at
// the start, while there is nothing to copy, costs almost nothing.

// roomToLoad grows the stack for the goroutine of a flight.
//
//go:noinline
func roomToLoad() byte {
	var frame [12 << 10]byte
	return frame[len(unknown)]
}

// roomToAsk grows the stack for a loader that does not nest deeply.
//
//go:noinline
func roomToAsk() byte {
	var frame [6 << 10]byte
	return frame[len(unknown)]
}

// unknown is empty; the compiler does not know that.
var unknown string

// An average is the moving average of about the last eight durations. The zero average has
// none.
type average struct{ d atomic.Int64 }

func (a *average) get() time.Duration { return time.Duration(a.d.Load()) }

// note adds d. Of concurrent calls some may be lost.
func (a *average) note(d time.Duration) {
	old := a.d.Load()
	if old != 0 {
		d = time.Duration(old) + (d-time.Duration(old))/8
	}
	a.d.Store(int64(max(d, 1)))
}

// atOnce is the number of concurrent calls of L2 for several keys. They share exchanges.
const atOnce = 32

// inParallel calls f for 0..n-1, several at a time.
func inParallel(n int, f func(i int)) {
	if n <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// allLost renews n leases. The error is store.ErrLeaseLost if all are lost.
func allLost(n int, renew func(i int) error) error {
	var kept atomic.Bool
	inParallel(n, func(i int) {
		if !errors.Is(renew(i), store.ErrLeaseLost) {
			kept.Store(true)
		}
	})
	if kept.Load() {
		return nil
	}
	return store.ErrLeaseLost
}

// A keeper renews a lease or a claim. A nil keeper renews nothing.
type keeper struct {
	turn    chan struct{} // a lock that testing/synctest can see: renew may block
	stopped bool
	t       *time.Timer
	every   time.Duration
	renew   func() error
}

// keepUp calls renew at an interval until the keeper is stopped, or until the lease is lost. A
// load that is shorter than the interval costs a timer.
func keepUp(every time.Duration, renew func() error) *keeper {
	k := &keeper{turn: make(chan struct{}, 1), every: every, renew: renew}
	k.turn <- struct{}{}
	k.t = time.AfterFunc(every, k.again)
	<-k.turn
	return k
}

func (k *keeper) again() {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	if k.stopped || errors.Is(k.renew(), store.ErrLeaseLost) {
		return // a load whose lease is lost continues for its callers
	}
	k.t.Reset(k.every)
}

// stop ends the renewals. It waits for one in flight. It may be called again.
func (k *keeper) stop() {
	if k == nil {
		return
	}
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	k.stopped = true
	k.t.Stop()
}

// waitFor returns when the key has changed, or the lease has expired. Usually the push of a
// change comes first; the push of an expiry may be seconds late.
func waitFor(ctx context.Context, changed <-chan struct{}, left time.Duration) error {
	t := time.NewTimer(left + time.Millisecond)
	defer t.Stop()
	select {
	case <-changed:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 200 * time.Millisecond
)

// A poll is the interval in which a reader looks again for a value while another
// process has the lease, where L2 does not push its end. The zero poll is for an L2 that
// does.
type poll struct {
	span    time.Duration // at most
	counted bool
}

// next returns the wait for a lease that expires after left. It doubles each time up to
// lastPoll, and is reduced by up to a half at random, so that processes do not ask at the
// same time.
func (p *poll) next(left time.Duration) time.Duration {
	if p.span == 0 {
		return left
	}
	wait := p.span/2 + rand.N(p.span/2)
	p.span = min(2*p.span, lastPoll)
	return min(left, wait)
}
