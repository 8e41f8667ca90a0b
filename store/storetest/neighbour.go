package storetest

import (
	"errors"

	"github.com/lokroom/strata/store"
)

func hasNeighbour(h Harness) bool { return h.Neighbour != nil }

// neighbour returns a store that shares what c.s rests on, but no keys.
func (c *check) neighbour() store.Store[Value] {
	c.Helper()
	return c.h.Neighbour(c.TB, c.s)
}

// holdsIn is holds for another store than c.s.
func (c *check) holdsIn(s store.Store[Value], key string, n int64) {
	c.Helper()
	switch e, err := s.Get(c.ctx, key); {
	case err == store.ErrNotFound && !e.Absent:
		c.forgot(key)
	case err != nil:
		c.Errorf("Get of %s through another store: %v", show(key), err)
	case !e.Value.Equal(number(n)):
		c.Errorf("through another store %s holds %v, want %v", show(key), e.Value, number(n))
	}
}

var neighbourRules = []rule{{
	name: "Neighbour/entries",
	says: "Stores that share a server or a budget do not share keys.",
	with: hasNeighbour,
	run: func(c *check) {
		other := c.neighbour()
		c.setNumber("k", 1)
		c.goneFrom(other, "k", "after Set by a neighbour")
		c.ok(other.Set(c.ctx, "k", store.Entry[Value]{Value: number(2)}), "Set")
		c.holds("k", 1)
		c.delete("k")
		c.holdsIn(other, "k", 2)
		c.setNumber("k", 3)
		c.ok(other.Delete(c.ctx, "k"), "Delete")
		c.holds("k", 3)
	},
}, {
	name: "Neighbour/odd keys",
	says: "Stores that share a server or a budget do not share keys, whatever bytes are in them.",
	with: hasNeighbour,
	run: func(c *check) {
		other := c.neighbour()
		for _, key := range oddKeys() {
			err := other.Set(c.ctx, key, store.Entry[Value]{Value: number(1)})
			if err != nil && !errors.Is(err, store.ErrTooLarge) {
				c.Errorf("Set of %s: %v", show(key), err)
			}
		}
		for _, key := range oddKeys() {
			c.gone(key, "after Set by a neighbour")
		}
	},
}, {
	name: "Neighbour/counters",
	says: "Stores that share a server or a budget do not share counters.",
	on:   []Capability{Counter},
	with: hasNeighbour,
	run: func(c *check) {
		other := c.neighbour()
		c.adds("n", 5, 0, 5)
		n, err := store.Add(c.ctx, other, "n", 1, 0)
		if err != nil || n != 1 {
			c.Errorf("Add of 1 by a neighbour returned %d, %v", n, err)
		}
		c.adds("n", 1, 0, 6)
	},
}, {
	name: "Neighbour/clear",
	says: "Clear drops all that the store holds and nothing that others hold.",
	on:   []Capability{Clearer},
	with: hasNeighbour,
	run: func(c *check) {
		other := c.neighbour()
		c.setNumber("mine", 1)
		for _, key := range []string{"mine", "theirs"} {
			c.ok(other.Set(c.ctx, key, store.Entry[Value]{Value: number(2)}), "Set")
		}
		c.ok(store.Clear(c.ctx, c.s), "Clear")
		c.gone("mine", "after Clear")
		c.holdsIn(other, "mine", 2)
		c.holdsIn(other, "theirs", 2)
	},
}, {
	name: "Neighbour/pattern",
	says: "DeletePattern removes what matches in the store and nothing that others hold.",
	on:   []Capability{PatternDeleter},
	with: hasNeighbour,
	run: func(c *check) {
		other := c.neighbour()
		c.setNumber("k", 1)
		c.ok(other.Set(c.ctx, "k", store.Entry[Value]{Value: number(2)}), "Set")
		n, err := store.DeletePattern(c.ctx, c.s, "*")
		c.ok(err, "DeletePattern")
		c.counted("k", n, 1)
		c.gone("k", "after DeletePattern of *")
		c.holdsIn(other, "k", 2)
	},
}}
