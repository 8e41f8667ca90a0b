package otterstore

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata/internal/clock"
	"github.com/lokroom/strata/internal/view"
	"github.com/lokroom/strata/store"
)

// overhead is what the engine allocates for an entry beside the item: its node
// and its share of the hash table, on a 64-bit machine.
const overhead = 88

// A Budget is an amount of memory that any number of stores share, whatever
// their types: an entry that is worth more pushes out one that is worth less,
// whatever store they are in. Its methods may be called concurrently.
type Budget struct {
	cache  *otter.Cache[uint64, *view.Item]
	clock  clock.Coarse
	max    atomic.Int64
	closed atomic.Bool

	// What the engine holds, disowned and expired items included.
	entries, bytes atomic.Int64

	sweeper sweeper
}

// NewBudget returns a Budget of so many bytes, which must be more than zero.
// Close it when it is no longer used.
func NewBudget(bytes int64) (*Budget, error) {
	if bytes <= 0 {
		return nil, fmt.Errorf("otter: a budget of %d bytes: must be more than zero", bytes)
	}
	b := &Budget{}
	b.max.Store(bytes)
	var err error
	b.cache, err = otter.New(&otter.Options[uint64, *view.Item]{
		MaximumWeight:    uint64(bytes),
		Weigher:          func(_ uint64, it *view.Item) uint32 { return weight(it.Cost) },
		OnAtomicDeletion: b.deleted,
	})
	if err != nil {
		return nil, fmt.Errorf("otter: %w", err)
	}
	return b, nil
}

// weight is cost, as far as the engine can count it.
func weight(cost int64) uint32 { return uint32(min(cost, math.MaxUint32)) }

// Close gives the memory back. Afterwards the stores that share it return
// errors that are [store.ErrClosed]. Close may be called more than once.
func (b *Budget) Close() {
	b.sweeper.mu.Lock() // no sweep begins from now on
	b.closed.Store(true)
	b.sweeper.mu.Unlock()
	b.sweeper.done.Wait()
	b.cache.InvalidateAll()
	b.clock.Stop()
}

// Resize changes the budget to so many bytes, which must be more than zero. Entries for which
// there is no room any more are evicted.
func (b *Budget) Resize(bytes int64) error {
	if bytes <= 0 {
		return fmt.Errorf("otter: a budget of %d bytes: must be more than zero", bytes)
	}
	b.max.Store(bytes)
	b.cache.SetMaximum(uint64(bytes))
	return nil
}

// Stats returns the sizes of all that the stores of the budget hold, what was
// cleared but not yet removed included, and nothing else.
func (b *Budget) Stats() store.Stats {
	return store.Stats{Entries: b.entries.Load(), Bytes: b.bytes.Load(), MaxBytes: b.max.Load()}
}

// put has the engine hold it, in place of what is there.
func (b *Budget) put(h uint64, it *view.Item) {
	b.charge(it)
	b.cache.Set(h, it)
}

// remove removes what is under h if match says so, and reports whether it did.
// match is called under a lock of the engine.
func (b *Budget) remove(h uint64, match func(*view.Item) bool) (removed bool) {
	b.cache.ComputeIfPresent(h, func(it *view.Item) (*view.Item, otter.ComputeOp) {
		if removed = match(it); removed {
			return nil, otter.InvalidateOp
		}
		return nil, otter.CancelOp
	})
	return removed
}

// deleted is called by the engine, under a lock, for each item that leaves it
// or is replaced.
func (b *Budget) deleted(e otter.DeletionEvent[uint64, *view.Item]) {
	b.entries.Add(-1)
	b.bytes.Add(-e.Value.Cost)
	e.Value.Release()
	cause := view.Invalidated
	switch e.Cause {
	case otter.CauseOverflow:
		e.Value.Evicted()
		cause = view.Evicted
	case otter.CauseReplacement:
		cause = view.Replaced
	}
	if !b.closed.Load() {
		e.Value.Removed(cause)
	}
}

// charge is called before the engine can drop it.
func (b *Budget) charge(it *view.Item) {
	b.entries.Add(1)
	b.bytes.Add(it.Cost)
	it.Charge()
}
