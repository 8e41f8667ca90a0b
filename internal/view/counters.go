package view

import (
	"sync/atomic"
	"unsafe"

	"github.com/lokroom/strata/store"
)

// Counters are the counters of a view. There are many of each, so that
// goroutines do not share a cache line.
type Counters struct{ stripes [32]Stripe }

// A Stripe is one of each counter, and the size of a cache line.
type Stripe struct {
	// Begun counts the Gets that were begun, Hits and Misses those that were
	// done. An engine that need not know what is under way leaves Begun zero.
	Begun, Hits, Misses atomic.Uint64

	Sets, Deletes, Evictions, Rejected atomic.Uint64

	Removals atomic.Uint64 // of items that Removed was called for
}

// At returns the counters for keys with the hash h.
func (c *Counters) At(h uint64) *Stripe { return &c.stripes[(h^h>>32)%uint64(len(c.stripes))] }

// Mine returns the counters for the calling goroutine. Goroutines differ
// by where their stacks are: those that hit one hot key at the same time do not
// share a cache line then, as they would with [Counters.At].
func (c *Counters) Mine() *Stripe {
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 10
	return &c.stripes[(at*0x9e3779b97f4a7c15)>>59]
}

// Idle reports whether there was a moment during the call at which no Get was
// under way.
func (c *Counters) Idle() bool {
	// Reading what was done before what was begun can only make the second
	// the larger: if they are equal, nothing was under way between the two.
	var done, begun uint64
	for i := range c.stripes {
		done += c.stripes[i].Hits.Load() + c.stripes[i].Misses.Load()
	}
	for i := range c.stripes {
		begun += c.stripes[i].Begun.Load()
	}
	return begun == done
}

func (c *Counters) sum() (s store.Stats) {
	for i := range c.stripes {
		n := &c.stripes[i]
		s.Hits += n.Hits.Load()
		s.Misses += n.Misses.Load()
		s.Sets += n.Sets.Load()
		s.Deletes += n.Deletes.Load()
		s.Evictions += n.Evictions.Load()
		s.Rejected += n.Rejected.Load()
	}
	return s
}
