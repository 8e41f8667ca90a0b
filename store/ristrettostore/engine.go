package ristrettostore

import (
	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/internal/view"
)

// This file is what the engine calls, all on one goroutine.

// applying is called when the engine applies a change of c. It returns the cost, which
// the engine keeps to, or one that is too much for it if c is dead: it was reported
// twice, and the engine has let go of it since.
//
// The engine drops changes of cost when there are too many at a time. What
// it does not know of is taken off its limit, so that the sum stays right.
func (b *Budget) applying(c *cell) int64 {
	s := b.stripe(c.hash)
	s.mu.Lock()
	cost, dead := c.cost, c.dead
	switch {
	case dead:
	case c.known == 0:
		b.underway.Add(-cost)
	default:
		c.arrived = true // or it would be dead
		b.unknown.Add(c.known - cost)
	}
	c.known = cost
	s.mu.Unlock()

	limit := max(1, b.max.Load()-b.unknown.Load())
	b.engine.UpdateMaxCost(limit)
	if dead {
		return limit + 1
	}
	return cost
}

// evicted is called when the engine has let go of a cell.
func (b *Budget) evicted(i *ristretto.Item[*cell]) {
	if b.closed.Load() {
		return // the engine is being closed, and has locks of its own
	}
	if c := i.Value; c != nil {
		s := b.stripe(c.hash)
		s.mu.Lock()
		defer s.mu.Unlock()
		b.lose(s, c, (*view.Item).Evicted, view.Evicted)
	}
}

// rejected is called when the engine does not take in a cell as new: because it
// is not worth it, is dead, or is held already.
func (b *Budget) rejected(i *ristretto.Item[*cell]) {
	c := i.Value
	s := b.stripe(c.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.arrived:
		b.lose(s, c, (*view.Item).Rejected, "")
	case !c.dead && c.item.Load() == nil:
		b.report(c) // when it was emptied the engine did not yet hold it
	}
}

// lose kills c, if it lives. See fill for the cause.
func (b *Budget) lose(s *stripe, c *cell, count func(*view.Item), cause string) {
	if c.dead {
		return
	}
	if it := c.item.Load(); it != nil {
		count(it)
	}
	b.kill(s, c, cause)
}
