package view

import (
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/lokroom/strata/store"
)

// Causes of removals.
const (
	Expired     = "expired" // it was past its expiry, whatever removed it
	Evicted     = "evicted"
	Invalidated = "invalidated"
	Replaced    = "replaced"
)

// removalEvery is how many removals there are to one of which the age is reported.
const removalEvery = 64

// Removed is called when the engine, which is not being closed, holds the item no more, for
// one of the causes. It reports the age of some: see [Counters] for why they are chosen like
// hits.
func (it *Item) Removed(cause string) {
	if it.gen.removal.Load() == nil {
		return
	}
	n := it.gen.counters.Mine().Removals.Add(1) - 1 // the first is reported
	if n*0x9e3779b97f4a7c15 < 1<<64/removalEvery {
		it.gen.removed(it, cause)
	}
}

// A removal is the function of SampleRemovals.
type removal = atomic.Pointer[func(cause string, age time.Duration)]

// SampleRemovals implements [store.RemovalSampler].
func (v *View[T]) SampleRemovals(fn func(cause string, age time.Duration)) { v.removal.Store(&fn) }

// removed reports the removal of it.
func (v *View[T]) removed(it *Item, cause string) {
	fn := v.removal.Load()
	e := &(*typed[T])(unsafe.Pointer(it)).value // see Entry
	if fn == nil || e.LoadedAt == 0 {
		return
	}
	now := store.Now()
	switch {
	case e.Expired(now):
		cause = Expired
	case it.Disowned(): // a Clear, which the engine has noticed by now
		cause = Invalidated
	}
	(*fn)(cause, max(0, time.Duration(now-e.LoadedAt)*time.Millisecond))
}
