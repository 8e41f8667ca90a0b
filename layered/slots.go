package layered

import (
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/layered/internal/cooldown"
	"github.com/lokroom/strata/layered/internal/lazy"
	"github.com/lokroom/strata/store"
)

// A dueRefresh is an entry that should be loaded again.
type dueRefresh struct {
	key string
	base
}

// A base is the state that a refresh replaces.
type base struct {
	version  uint64 // of the entry to replace
	revision uint64 // of that entry at the source; 0: unknown
	stamp    uint64 // of L2, from before the load; 0: L2 is no Tagger
}

func dueOf[T any](key string, e *store.Entry[T]) dueRefresh {
	return dueRefresh{key, base{version: e.Version, revision: e.Revision}}
}

// refreshSlots keep a refresh from starting twice, too early after a failure, or beyond
// RefreshLimit. Entries that hash alike share a slot, and wait for each other now and then.
type refreshSlots struct {
	running atomic.Int64
	seed    maphash.Seed
	blocks  [slotBlocks]lazy.Value[[slotsPerBlock]refreshSlot]
}

// There are 2,048 slots, in blocks that are allocated when one of their slots is first used.
const (
	slotBlocks    = 64
	slotsPerBlock = 32
)

// A refreshSlot is the slot of one or several entries.
type refreshSlot struct {
	next    atomic.Int64     // when its next refresh may begin; a store.Time
	backoff cooldown.Backoff // guarded by taking the slot
}

// busy is the next of a slot while its refresh runs.
const busy = math.MaxInt64

func newRefreshSlots() *refreshSlots { return &refreshSlots{seed: maphash.MakeSeed()} }

func (p *refreshSlots) slot(d dueRefresh) *refreshSlot {
	h := maphash.String(p.seed, d.key) ^ d.version
	return &p.blocks[h%slotBlocks].Get()[h/slotBlocks%slotsPerBlock]
}

// backoff returns the Backoff of the source of d. The caller must have taken the slot.
func (p *refreshSlots) backoff(d dueRefresh) *cooldown.Backoff { return &p.slot(d).backoff }

// free reports whether a refresh of d may begin.
func (p *refreshSlots) free(d dueRefresh, now store.Time) bool {
	return p != nil && p.slot(d).next.Load() <= int64(now)
}

// take is free that keeps other refreshes from beginning until give is called.
func (p *refreshSlots) take(d dueRefresh, now store.Time) bool {
	pl := p.slot(d)
	next := pl.next.Load()
	return next <= int64(now) && pl.next.CompareAndSwap(next, busy)
}

// give ends a refresh. The next one of d may begin after wait.
func (p *refreshSlots) give(d dueRefresh, wait time.Duration) {
	var next store.Time
	if wait > 0 {
		next = store.In(wait)
	}
	p.slot(d).next.Store(int64(next))
}

// enter reports whether one more refresh may run. leave must then be called at its end.
func (p *refreshSlots) enter(limit int) bool {
	if p.running.Add(1) <= int64(limit) {
		return true
	}
	p.leave()
	return false
}

func (p *refreshSlots) leave() { p.running.Add(-1) }
