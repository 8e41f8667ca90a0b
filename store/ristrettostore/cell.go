package ristrettostore

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/view"
)

// The engine applies changes later, on its own goroutine, or not at all if there
// are too many at a time. If it held the entries themselves, a
// Set could not be read back at once, the older of two Sets could win, and a
// deleted entry could come back. So it holds cells, and what a key holds is
// changed in its cell, at once and for all. The engine decides which cells stay,
// and is the quick way to find one.
//
// The rules that make this right, all under the lock of the stripe of the hash:
//
//   - Only a live cell holds an item, and there is at most one live cell for a
//     hash: the one in stripe.cells. So an item that is found in any cell, at
//     any time and in whatever way, is the one that was set last.
//   - When the engine lets go of a cell or refuses it, the cell dies: it is
//     emptied, leaves stripe.cells and is not used again. If the engine has another
//     change of it queued, it is made to refuse that.
//   - A live cell that the engine does not hold is on its way to it. Until it
//     arrives, it is found in stripe.cells.
//   - The engine is never asked to delete anything, because that blocks: when an
//     entry is deleted its cell stays, empty and at a small cost, and is reported to
//     the engine as expired. Then the engine lets go of it within ten seconds,
//     unless its key is set again.
//
// The engine calls back on its goroutine and holds no lock of its own then, but
// for when it is closed. So a cell that was reported to it dies on that goroutine only.

// A cell is where the item of a key is kept.
type cell struct {
	hash uint64
	item atomic.Pointer[view.Item] // nil: empty; written under the lock

	// Under the lock of the stripe:
	dead    bool
	arrived bool  // the engine took it in when it was first reported
	cost    int64 // what it takes of the budget
	known   int64 // what the engine counts it as; 0: it is on its way
}

// empty is what an empty cell costs at most, and what a full one costs beside
// its item: the cell, its place in stripe.cells, and what the engine allocates
// for it, on a 64-bit machine.
const empty = 250

// A stripe is a share of the cells and the lock over them.
type stripe struct {
	mu    sync.Mutex
	cells map[uint64]*cell
	_     [48]byte
}

func (b *Budget) stripe(h uint64) *stripe {
	return &b.stripes[(h^h>>32)%uint64(len(b.stripes))]
}

// find returns the item under h, or nil.
func (b *Budget) find(h uint64) *view.Item {
	if c, ok := b.engine.Get(h); ok {
		if it := c.item.Load(); it != nil {
			return it
		}
	}
	return b.peek(h)
}

// peek is find that does not count as a use of the key.
func (b *Budget) peek(h uint64) *view.Item {
	s := b.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cells[h]; c != nil {
		return c.item.Load()
	}
	return nil
}

// update calls change with the item under h, which may be nil, and puts what it
// returns in its place. It reports false if the budget is closed; change was
// not called then. The lock is held while change is called.
func (b *Budget) update(h uint64, change func(now *view.Item) *view.Item) bool {
	s := b.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.closed.Load() {
		return false
	}
	c := s.cells[h]
	if c == nil {
		if it := change(nil); it != nil {
			b.admit(s, h, it)
		}
		return true
	}
	now := c.item.Load()
	if it := change(now); it != now {
		b.replace(c, it)
	}
	return true
}

// admit offers a new cell with it to the engine.
func (b *Budget) admit(s *stripe, h uint64, it *view.Item) {
	// If all were let in, what is on its way could be a multiple of the
	// budget. If none were, the engine would not make room.
	underway := b.underway.Load()
	if underway > 0 && underway+it.Cost > b.slack && b.bytes.Load()+it.Cost > b.max.Load() {
		it.Rejected()
		return
	}
	c := &cell{hash: h}
	s.cells[h] = c
	b.fill(c, it, "")
	if !b.engine.Set(h, c, 0) { // too much at a time
		it.Rejected()
		b.kill(s, c, "")
	}
}

// replace puts it in the place of what the live cell c holds, and reports
// to the engine what that changes for it. it may be nil.
func (b *Budget) replace(c *cell, it *view.Item) {
	// For the sake of a cell that grows the engine evicts nothing.
	if it != nil && it.Cost > c.cost && b.bytes.Load()-b.underway.Load()+it.Cost-c.cost > b.max.Load()+b.max.Load()/16 {
		it.Rejected()
		it = nil
	}
	revived, cause := c.item.Load() == nil, view.Replaced
	if it == nil {
		cause = view.Invalidated
	}
	b.fill(c, it, cause)
	if it == nil || c.known != 0 && (revived || c.known != c.cost) {
		b.report(c)
	}
}

// report reports to the engine what the live cell c costs, and that it has expired if
// it is empty. If there is too much to report, the engine applies the second only,
// and no answer says so: unknown makes up for it.
func (b *Budget) report(c *cell) {
	var ttl time.Duration // for ever
	if c.item.Load() == nil {
		ttl = time.Nanosecond
	}
	b.engine.SetWithTTL(c.hash, c, 0, ttl)
}

// fill puts it in the place of what the live cell c holds, which is removed for a cause of
// package view, or another. Either may be nil.
func (b *Budget) fill(c *cell, it *view.Item, cause string) {
	cost := min(empty, c.cost)
	if it != nil {
		cost = it.Cost
		it.Charge()
		b.entries.Add(1)
	}
	if old := c.item.Swap(it); old != nil {
		old.Release()
		b.entries.Add(-1)
		if cause != "" {
			old.Removed(cause)
		}
	}
	more := cost - c.cost
	c.cost = cost
	b.bytes.Add(more)
	if c.known == 0 {
		b.underway.Add(more)
	} else {
		b.unknown.Add(more)
	}
}

// kill takes the live cell c out of use for good. See fill for the cause.
func (b *Budget) kill(s *stripe, c *cell, cause string) {
	b.fill(c, nil, cause)
	b.bytes.Add(-c.cost)
	if c.known == 0 {
		b.underway.Add(-c.cost)
	} else {
		b.unknown.Add(c.known - c.cost)
	}
	c.dead = true
	delete(s.cells, c.hash)
}
