package ristrettostore

import (
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/internal/view"
)

// The engine applies what it is told later, on a goroutine of its own, or not
// at all if it is told too much at a time. If it held the entries themselves, a
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
//   - When the engine lets go of a cell, or refuses it, the cell dies: it is
//     emptied, leaves stripe.cells and is not used again. So the engine may
//     still hold a dead cell, or take it in late, and does no harm.
//   - A live cell that the engine does not hold is on its way to it. Until it
//     arrives, it is found in stripe.cells.
//   - The engine is never asked to delete anything, because that blocks: a cell
//     whose entry was deleted stays, empty and at a small cost, until its key
//     is set again or the engine lets go of it.
//
// The engine calls back without holding a lock of its own, but for when it is
// closed, and takes none of ours while it holds one.

// A cell is where the item of a key is kept.
type cell struct {
	hash uint64
	item atomic.Pointer[view.Item] // nil: empty; written under the lock

	// Under the lock of the stripe:
	dead  bool
	asked int64 // what the engine was last asked to count the cell as
	told  int64 // what the engine does count it as; 0: it has not taken it in
}

// empty is what an empty cell costs, and what a full one costs beside its item:
// the cell, its place in stripe.cells, and what the engine allocates for it, on
// a 64-bit machine.
const empty = 200

func (c *cell) cost() int64 {
	if it := c.item.Load(); it != nil {
		return it.Cost
	}
	return empty
}

// A stripe is a share of the cells and the lock over them.
type stripe struct {
	mu             sync.Mutex
	cells          map[uint64]*cell
	entries, bytes int64 // of the items
	_              [32]byte
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

// peek is find without telling the engine that the key is used.
func (b *Budget) peek(h uint64) *view.Item {
	s := b.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cells[h]; c != nil {
		return c.item.Load()
	}
	return nil
}

// update calls change with the item under h, which may be nil, puts what it
// returns in its place, and tells the engine. It reports false if the budget is
// closed; change was not called then. The lock is held while change is called.
func (b *Budget) update(h uint64, change func(now *view.Item) *view.Item) bool {
	s := b.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.closed.Load() {
		return false
	}
	b.change(s, h, change)
	return true
}

func (b *Budget) change(s *stripe, h uint64, change func(now *view.Item) *view.Item) {
	c := s.cells[h]
	if c == nil {
		if it := change(nil); it != nil {
			b.admit(s, &cell{hash: h}, it)
		}
		return
	}
	now := c.item.Load()
	it := change(now)
	if it == now {
		return
	}
	b.fill(s, c, it)
	if cost := c.cost(); cost != c.asked {
		// It may fail, and no answer tells: untold makes up for it.
		c.asked = cost
		b.engine.Set(h, c, 0)
	}
}

// admit offers the new cell c with it to the engine.
func (b *Budget) admit(s *stripe, c *cell, it *view.Item) {
	s.cells[c.hash] = c
	b.fill(s, c, it)
	c.asked = it.Cost
	if !b.engine.Set(c.hash, c, 0) {
		b.kill(s, c)
		it.Rejected()
	}
}

// fill puts it in the place of what the live cell c holds. Either may be nil.
func (b *Budget) fill(s *stripe, c *cell, it *view.Item) {
	before := c.cost()
	if old := c.item.Swap(it); old != nil {
		old.Release()
		s.entries--
		s.bytes -= old.Cost
	}
	if it != nil {
		it.Charge()
		s.entries++
		s.bytes += it.Cost
	}
	if c.told != 0 {
		b.untold.Add(c.cost() - before)
	}
}

// kill takes the live cell c out of use for good.
func (b *Budget) kill(s *stripe, c *cell) {
	b.fill(s, c, nil)
	if c.told != 0 {
		b.untold.Add(c.told - c.cost())
	}
	c.dead = true
	delete(s.cells, c.hash)
}

// applying is called by the engine when it gets to something that it was told
// about c, and asks for its cost; the engine keeps to the answer.
//
// The engine forgets changes of cost when it is told too much at a time. What
// it has not been told is taken off its limit, so that the sum stays right.
func (b *Budget) applying(c *cell) int64 {
	s := b.stripe(c.hash)
	s.mu.Lock()
	cost := c.cost()
	if !c.dead {
		if c.told != 0 {
			b.untold.Add(c.told - cost)
		}
		c.told = cost
	}
	s.mu.Unlock()
	b.engine.UpdateMaxCost(max(1, b.max-b.untold.Load()))
	return cost
}

// evicted is called by the engine when it has let go of a cell.
func (b *Budget) evicted(i *ristretto.Item[*cell]) {
	b.lost(i.Value, (*view.Item).Evicted)
}

// rejected is called by the engine when it does not take in a cell as new:
// because it is not worth it, or because it holds one for that hash already.
func (b *Budget) rejected(i *ristretto.Item[*cell]) {
	c := i.Value
	// GetTTL is the one way to look that does not count as a use of the key.
	if _, held := b.engine.GetTTL(i.Key); held {
		if now, _ := b.engine.Get(i.Key); now == c {
			return // it was told twice
		}
		// A dead cell that was taken in late. Take its place.
		s := b.stripe(c.hash)
		s.mu.Lock()
		placed := !c.dead && b.engine.Set(c.hash, c, 0)
		s.mu.Unlock()
		if placed {
			return
		}
	}
	b.lost(c, (*view.Item).Rejected)
}

func (b *Budget) lost(c *cell, count func(*view.Item)) {
	if c == nil || b.closed.Load() {
		return
	}
	s := b.stripe(c.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.dead {
		return
	}
	if it := c.item.Load(); it != nil {
		count(it)
	}
	b.kill(s, c)
}
