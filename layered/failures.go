package layered

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// failures remember which loads have failed lately, so that a source that is down is
// not asked for a key by every read, where that can be answered otherwise. It is of this
// process: what an L2 that is a Leaser remembers all others know, too, but it may be L2
// that is down.
//
// Each key has one place that it shares with others, of which the last stands: what is
// forgotten by that costs a load.
type failures struct {
	seed   maphash.Seed
	places lazy[[failurePlaces]atomic.Pointer[failure]]
}

const failurePlaces = 1024

type failure struct {
	key   string
	err   error
	until store.Time
}

func newFailures() *failures { return &failures{seed: maphash.MakeSeed()} }

func (f *failures) place(key string) uint64 { return maphash.String(f.seed, key) % failurePlaces }

// note remembers until when the source is not to be asked for key, because of err.
func (f *failures) note(key string, until store.Time, err error) {
	f.places.get()[f.place(key)].Store(&failure{key, err, until})
}

// forget forgets the failure of key.
func (f *failures) forget(key string) {
	places := f.places.peek()
	if places == nil { // nothing has failed yet
		return
	}
	p := &places[f.place(key)]
	if last := p.Load(); last != nil && last.key == key {
		p.CompareAndSwap(last, nil)
	}
}

// of returns why the source is not to be asked for key now; nil if it may be.
func (f *failures) of(key string, now store.Time) error {
	places := f.places.peek()
	if places == nil {
		return nil
	}
	last := places[f.place(key)].Load()
	if last == nil || last.key != key || now >= last.until {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrLoadFailed, last.err)
}

// remember notes that a load of key has failed with err, or has not. That it was given up
// because nobody waits says nothing of the source.
func (s *Store[T]) remember(ctx context.Context, key string, err error) {
	switch {
	case s.failures == nil || errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		s.failures.note(key, store.In(s.opts.RetryAfter), err)
	default:
		s.failures.forget(key)
	}
}

// resting returns why the source is not asked for key now, which is answered with old
// then; nil if it is asked. Where L2 could not be asked, which l2err tells, it may put a
// copy in doubt in the place of old.
func (s *Store[T]) resting(ctx context.Context, key string, old *Found[T], l2err error) error {
	if s.failures == nil || s.leaser != nil && l2err == nil && old.Tier == L2 {
		return nil // or L2 remembers it for all, and whoever makes the value stale ends that
	}
	why := s.failures.of(key, store.Now())
	if why == nil {
		return nil
	}
	if *old = s.inDoubt(ctx, key, *old, l2err); old.Tier == Source && !s.opts.HoldErrors {
		return nil
	}
	return s.failed("load", key, why)
}

// restMany finishes those calls of b for whose keys the source is not asked now.
func (s *Store[T]) restMany(ctx context.Context, b *batch[T]) {
	for key := range b.open {
		old := b.stale[key]
		if why := s.resting(ctx, key, &old, b.why(key, nil)); why != nil {
			f, err := s.failSafe(old, why)
			b.finish(key, f, err)
		}
	}
}
