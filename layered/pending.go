package layered

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

const (
	// mostPending is how many keys may wait for L2; with more, everything does.
	mostPending = 100_000

	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second

	// mostPatterns is how many patterns may wait for L2: each read looks at all.
	mostPatterns = 100
)

// errPending says why L2 is not read for a key.
var errPending = fmt.Errorf("%w: a change of this process has not reached L2 yet", store.ErrUnavailable)

// unread is the error of a read of key that was not sent to L2 because key is pending, or
// because ctx has ended.
func (s *Store[T]) unread(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return s.failed("get", key, context.Cause(ctx))
	}
	return s.failed("get", key, errPending)
}

// pending is the retry queue: what this process has changed and L2, as far as is known,
// has an older value of. Until it has been deleted there, which is tried again and again,
// this process reads it from the source.
type pending struct {
	some atomic.Bool // the usual answer is no, and costs a load

	mu       sync.Mutex
	calls    uint64
	keys     map[string]untold
	patterns map[string]untold // of DeletePattern
	all      untold            // zero: not every key
	err      error             // why L2 was not told, at the last try
	running  bool
	closed   bool
	quit     chan struct{}
	wake     chan struct{} // L2 is back
	work     sync.WaitGroup

	refused    uint64 // what L2 refuses for good
	refusedErr error  // the last of it
	retried    atomic.Uint64
}

// An untold change is known by the number of the call that failed last.
type untold struct {
	call  uint64
	since time.Time // the first call that failed
}

// again is u after another call that failed.
func (u untold) again(call uint64) untold {
	if u.call == 0 {
		u.since = time.Now()
	}
	u.call = call
	return u
}

// has reports whether key has not reached L2.
func (p *pending) has(key string) bool {
	if !p.some.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.keys[key]; ok || p.all.call > 0 {
		return true
	}
	for pattern := range p.patterns {
		if keys.Match(pattern, key) {
			return true
		}
	}
	return false
}

// last returns the number of the last call that failed.
func (p *pending) last() uint64 {
	if !p.some.Load() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// forget takes out keys whose value in L2 was replaced by a write that began when before
// was the last call that had failed.
func (p *pending) forget(ks []string, before uint64) {
	if before == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range ks {
		if p.keys[key].call <= before {
			delete(p.keys, key)
		}
	}
	p.some.Store(p.left())
}

// left reports whether anything is pending. The lock is held.
func (p *pending) left() bool { return len(p.keys) > 0 || len(p.patterns) > 0 || p.all.call > 0 }

// addPending has ks deleted from L2 as soon as that can be done; nil stands for
// all keys.
func (s *Store[T]) addPending(ks []string) {
	s.pend(func(p *pending, call uint64) {
		for _, key := range ks {
			p.keys[key] = p.keys[key].again(call) // a retry that is under way does not count for it
		}
		if ks == nil || len(p.keys) > mostPending {
			p.all = p.all.again(call)
			clear(p.keys)
			clear(p.patterns)
		}
	})
}

// addPattern has what matches pattern deleted from L2 as soon as that can be done.
func (s *Store[T]) addPattern(pattern string) {
	s.pend(func(p *pending, call uint64) {
		p.patterns[pattern] = p.patterns[pattern].again(call)
		if len(p.patterns) > mostPatterns {
			p.all = p.all.again(call)
			clear(p.keys)
			clear(p.patterns)
		}
	})
}

// pend runs add with the number of this call, and sees to it that what it adds is tried.
func (s *Store[T]) pend(add func(p *pending, call uint64)) {
	p := &s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || mutant.NoPending.Load() {
		return
	}
	if p.keys == nil {
		p.keys, p.patterns = make(map[string]untold), make(map[string]untold)
		p.wake = make(chan struct{}, 1)
	}
	p.calls++
	add(p, p.calls)
	p.some.Store(true)
	if !p.running {
		p.running = true
		p.quit = make(chan struct{})
		p.work.Go(func() { s.retry(p.quit) })
	}
}

// flushFor is how long Close tries to tell L2 what is pending.
const flushFor = time.Second

// flush ends the trying, after having gone on with it for a while. What L2 has not heard
// of then, it will not hear of any more: that is an error, which is store.ErrUnavailable.
func (s *Store[T]) flush() error {
	p := &s.pending
	p.mu.Lock()
	p.closed = true
	if p.running {
		close(p.quit)
	}
	p.mu.Unlock()
	p.work.Wait()
	if !p.some.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushFor)
	defer cancel()
	for {
		done, err := s.tryPending(ctx)
		if done {
			return nil
		}
		t := time.NewTimer(firstRetry)
		select {
		case <-p.wake:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return s.failed("close", "", p.lost(err))
		}
		t.Stop()
	}
}

// lost is the error of giving up what is pending. err is that of the last try, or nil.
func (p *pending) lost(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("L2 has not received %s: %w", p.what(), err)
	}
	return fmt.Errorf("%w: L2 has not received %s: %w", store.ErrUnavailable, p.what(), cmp.Or(err, errNoTry))
}

// errNoTry is why L2 has not received a change if no try has failed.
var errNoTry = errors.New("no time was left to try")

// what says what is pending.
func (p *pending) what() string {
	n, _ := p.counts()
	if n < 0 {
		return "a Clear"
	}
	return fmt.Sprintf("the changes of %d keys", n)
}

// retry deletes what is pending until nothing is.
func (s *Store[T]) retry(quit <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := &s.pending
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		t := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-t.C:
		case <-p.wake:
			t.Stop()
		case <-quit:
			t.Stop()
			return
		}
		done, err := s.tryPending(ctx)
		switch {
		case done:
			return
		case err == nil:
			wait = firstRetry
		}
	}
}

// back says that L2 can be told.
func (p *pending) back() {
	if !p.some.Load() {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// counts returns how many keys and patterns are pending, -1 for all keys, and for how
// long the oldest.
func (p *pending) counts() (n int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(p.keys) + len(p.patterns)
	for _, of := range []map[string]untold{p.keys, p.patterns} {
		for _, u := range of {
			oldest = max(oldest, time.Since(u.since))
		}
	}
	if p.all.call > 0 {
		n, oldest = -1, max(oldest, time.Since(p.all.since))
	}
	return n, oldest
}

// why returns the error of the last try, as long as something is pending.
func (p *pending) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.left() {
		return nil
	}
	return p.err
}
