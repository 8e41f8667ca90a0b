package ristrettostore

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/internal/clock"
	"github.com/lokroom/strata/internal/view"
	"github.com/lokroom/strata/store"
)

// A Budget is an amount of memory that any number of stores share, whatever
// their types: an entry that is used more pushes out one that is used less,
// whatever store they are in. What it holds may exceed it by an eighth (or, in a small
// budget, 64 KiB) and an entry while the engine makes room. Its methods may be
// called concurrently.
type Budget struct {
	engine  *ristretto.Cache[uint64, *cell]
	stripes [256]stripe
	clock   clock.Coarse
	max     atomic.Int64
	slack   int64 // what may be on its way to the full engine
	closed  atomic.Bool
	closing sync.Once

	entries, bytes atomic.Int64 // of all live cells
	underway       atomic.Int64 // bytes of those on their way to the engine
	unknown        atomic.Int64 // by how much the others cost more than it knows

	mu    sync.Mutex
	views []*view.Counters // of all stores
}

// NewBudget returns a Budget of so many bytes, which must be more than zero.
// Close it when it is no longer used: two goroutines run until then.
//
// It is made for entries of 1 KiB on the average; see [NewBudgetFor].
func NewBudget(bytes int64) (*Budget, error) { return NewBudgetFor(bytes, bytes>>10) }

// NewBudgetFor is NewBudget for a budget that holds about so many entries when
// it is full. For each, the engine takes some 30 bytes more than the budget to
// count how often keys are asked for. With far too few it evicts the wrong ones.
func NewBudgetFor(bytes, entries int64) (*Budget, error) {
	const (
		perEntry            = 10 // counters; the engine's own advice
		fewest, most  int64 = 1 << 10, 1 << 23
		getsPerBuffer       = 64 // what the engine says fits all
	)
	if bytes <= 0 {
		return nil, fmt.Errorf("ristretto: a budget of %d bytes: must be more than zero", bytes)
	}
	b := &Budget{slack: max(bytes/16, 64<<10)}
	b.max.Store(bytes)
	for i := range b.stripes {
		b.stripes[i].cells = make(map[uint64]*cell)
	}
	var err error
	b.engine, err = ristretto.NewCache(&ristretto.Config[uint64, *cell]{
		NumCounters:        min(max(entries, fewest), most) * perEntry,
		MaxCost:            bytes,
		BufferItems:        getsPerBuffer,
		IgnoreInternalCost: true,
		KeyToHash:          func(h uint64) (uint64, uint64) { return h, 0 },
		Cost:               b.applying,
		OnEvict:            b.evicted,
		OnReject:           b.rejected,
	})
	if err != nil {
		return nil, fmt.Errorf("ristretto: %w", err)
	}
	return b, nil
}

// Close gives the memory back and ends the goroutines. Afterwards the stores
// that share the budget return errors that are [store.ErrClosed]. Close waits
// for the calls that are under way, and may be called more than once.
func (b *Budget) Close() {
	b.closing.Do(func() {
		b.closed.Store(true)
		// The engine panics if it is used while it is closed.
		b.awaitReaders()
		for i := range b.stripes {
			s := &b.stripes[i]
			s.mu.Lock()
			clear(s.cells)
			s.mu.Unlock()
		}
		b.entries.Store(0)
		b.bytes.Store(0)
		b.engine.Close()
		b.clock.Stop()
	})
}

// awaitReaders waits until no Get can be using the engine any more: those that
// begin now see that the budget is closed.
func (b *Budget) awaitReaders() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range b.views {
		for !v.Idle() {
			runtime.Gosched()
		}
	}
}

// Resize changes the budget to so many bytes, which must be more than zero. Entries for which
// there is no room any more are evicted as others are set.
func (b *Budget) Resize(bytes int64) error {
	if bytes <= 0 {
		return fmt.Errorf("ristretto: a budget of %d bytes: must be more than zero", bytes)
	}
	b.max.Store(bytes) // the engine follows with the next entry
	return nil
}

// Stats returns the sizes of all that the stores of the budget hold, what was
// cleared but not yet pushed out included, and nothing else.
func (b *Budget) Stats() store.Stats {
	return store.Stats{Entries: b.entries.Load(), Bytes: b.bytes.Load(), MaxBytes: b.max.Load()}
}
