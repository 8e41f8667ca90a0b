package layered

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

const (
	// mostPending is how many keys may wait for L2; with more, everything does.
	mostPending = 100_000

	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// errPending says why L2 is not asked for a key.
var errPending = &store.Error{Store: "layered", Op: "get", Err: oneline.Join(store.ErrUnavailable, errors.New("a change of this process has not reached L2 yet"))}

// pending are the keys that this process has changed and that L2, as far as is
// known, has not heard of. Until they have been deleted there, which is tried again
// and again, this process reads them from the source.
type pending struct {
	some atomic.Bool // the usual answer is no, and costs a load

	mu      sync.Mutex
	keys    map[string]time.Time // since when
	all     bool                 // too many: every key
	since   time.Time            // of all
	running bool
	closed  bool
	quit    chan struct{}
	wake    chan struct{} // L2 is back
	work    sync.WaitGroup

	retried atomic.Uint64
}

// has reports whether key has not reached L2.
func (p *pending) has(key string) bool {
	if !p.some.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.keys[key]
	return ok || p.all
}

// unheard reports whether after err L2 may have an older value than the one that was
// to be written or removed.
func unheard(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// made reports whether all writes that err is of took effect.
func made(err error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !made(err) })
	}
	return err == nil || errors.Is(err, store.ErrReplicas)
}

// addPending has ks deleted from L2 as soon as that can be done; nil stands for
// all keys.
func (s *Store[T]) addPending(ks []string) {
	p := &s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || mutant.NoPending.Load() {
		return
	}
	if p.keys == nil {
		p.keys = make(map[string]time.Time)
		p.wake = make(chan struct{}, 1)
	}
	now := time.Now()
	for _, key := range ks {
		p.keys[key] = now // a retry that is under way does not count for it
	}
	if ks == nil || len(p.keys) > mostPending {
		p.all, p.since = true, now
		clear(p.keys)
	}
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
			return &store.Error{Store: "layered", Op: "close", Err: fmt.Errorf("%w: L2 has not heard of %s: %w", store.ErrUnavailable, p.what(), err)}
		}
		t.Stop()
	}
}

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

// tryPending deletes what is pending, and reports whether nothing is left.
func (s *Store[T]) tryPending(ctx context.Context) (done bool, err error) {
	p := &s.pending
	p.mu.Lock()
	keys, all, since := maps.Clone(p.keys), p.all, p.since
	p.mu.Unlock()
	p.retried.Add(1)
	if err := s.deletePending(ctx, keys, all); !made(err) {
		return false, err
	}
	return p.done(keys, all, since), nil
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

func (s *Store[T]) deletePending(ctx context.Context, keys map[string]time.Time, all bool) error {
	m := s.journal.moment()
	if all {
		err := store.Clear(ctx, s.l2)
		s.changedAll(m)
		s.toldLate(ctx, nil, err)
		return err
	}
	ks := slices.Collect(maps.Keys(keys))
	err := s.l2.Delete(ctx, ks...)
	s.changed(m, ks)
	s.toldLate(ctx, ks, err)
	return err
}

// toldLate tells of a change that L2 has heard of now, unless err says that it has not.
// What failed then is seen to by who was told.
func (s *Store[T]) toldLate(ctx context.Context, ks []string, err error) {
	if made(err) {
		_ = s.tellChanged(ctx, "delete", ks, nil)
	}
}

// done takes out what was deleted, and reports whether nothing is left.
func (p *pending) done(keys map[string]time.Time, all bool, since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, since := range keys {
		if p.keys[key].Equal(since) { // else it failed again meanwhile
			delete(p.keys, key)
		}
	}
	if all && p.since.Equal(since) {
		p.all = false
	}
	if len(p.keys) > 0 || p.all {
		return false
	}
	p.some.Store(false)
	p.running = false
	return true
}

// counts returns how many keys are pending, -1 for all, and for how long the oldest.
func (p *pending) counts() (n int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var since time.Time
	for _, t := range p.keys {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	n = len(p.keys)
	if p.all {
		n, since = -1, p.since
	}
	if !since.IsZero() {
		oldest = time.Since(since)
	}
	return n, oldest
}
