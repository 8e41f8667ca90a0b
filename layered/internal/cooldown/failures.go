// Package cooldown remembers failures of a source, so that it is left alone for a while.
package cooldown

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"github.com/lokroom/strata/layered/internal/lazy"
	"github.com/lokroom/strata/store"
)

// Failures are the keys with a load that failed recently. They belong to one process: an L2 that
// is a [store.Leaser] shares failures between processes, but L2 may be down.
//
// Keys that hash alike share a slot, which has the last failure. A failure that is
// forgotten by that costs a load. All methods may be called concurrently.
type Failures struct {
	seed  maphash.Seed
	slots lazy.Value[[slots]atomic.Pointer[failure]]
}

const slots = 1024

type failure struct {
	key   string
	err   error
	until store.Time
}

// NewFailures returns Failures of no key.
func NewFailures() *Failures { return &Failures{seed: maphash.MakeSeed()} }

func (f *Failures) slot(key string) uint64 { return maphash.String(f.seed, key) % slots }

// Note remembers that key must not be loaded until a time, because of err.
func (f *Failures) Note(key string, until store.Time, err error) {
	f.slots.Get()[f.slot(key)].Store(&failure{key, err, until})
}

// Forget forgets the failure of key.
func (f *Failures) Forget(key string) {
	all := f.slots.Peek()
	if all == nil { // nothing has failed yet
		return
	}
	p := &all[f.slot(key)]
	if last := p.Load(); last != nil && last.key == key {
		p.CompareAndSwap(last, nil)
	}
}

// Err returns why key must not be loaded now, as an error that is
// [store.ErrLoadFailed] and the cause. It returns nil if key may be loaded.
func (f *Failures) Err(key string, now store.Time) error {
	all := f.slots.Peek()
	if all == nil {
		return nil
	}
	last := all[f.slot(key)].Load()
	if last == nil || last.key != key || now >= last.until {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrLoadFailed, last.err)
}
