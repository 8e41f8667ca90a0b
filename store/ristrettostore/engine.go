package ristrettostore

import (
	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/internal/view"
)

// This file is what the engine calls, all on one goroutine.

// applying is called when the engine gets to something that it was told about
// c. It returns the cost, which the engine keeps to, or one that is too much
// for it if c is dead: it was told of it twice, and has let go of it since.
//
// The engine forgets changes of cost when it is told too much at a time. What
// it has not been told is taken off its limit, so that the sum stays right.
func (b *Budget) applying(c *cell) int64 {
	s := b.stripe(c.hash)
	s.mu.Lock()
	cost, dead := c.cost, c.dead
	switch {
	case dead:
	case c.told == 0:
		b.underway.Add(-1)
	default:
		b.untold.Add(c.told - cost)
	}
	c.told = cost
	s.mu.Unlock()

	limit := max(1, b.max-b.untold.Load())
	b.engine.UpdateMaxCost(limit)
	if dead {
		return limit + 1
	}
	return cost
}

// evicted is called when the engine has let go of a cell.
func (b *Budget) evicted(i *ristretto.Item[*cell]) {
	b.lost(i.Value, (*view.Item).Evicted)
}

// rejected is called when the engine does not take in a cell as new: because it
// is not worth it, is dead, or is held already.
func (b *Budget) rejected(i *ristretto.Item[*cell]) {
	// GetTTL is the one way to look that does not count as a use of the key.
	if _, held := b.engine.GetTTL(i.Key); !held {
		b.lost(i.Value, (*view.Item).Rejected)
	}
}

func (b *Budget) lost(c *cell, count func(*view.Item)) {
	if c == nil || b.closed.Load() {
		return // or the engine is being closed, and has its own locks
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
