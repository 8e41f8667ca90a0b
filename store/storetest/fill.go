package storetest

import (
	"fmt"

	"github.com/lokroom/strata/store"
)

var fillRules = []rule{{
	name: "Fill/keeps",
	says: "Fill keeps an entry like Set and returns it as it was kept.",
	on:   onFiller,
	run: func(c *check) {
		c.watch()
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t", "u"}},
			{Value: number(1)},
			{Absent: true, ExpiresAt: store.In(hour)},
		} {
			key := fmt.Sprint("k", n%2)
			kept, _ := c.fill(key, in)
			e := c.get(key)
			for _, e := range []store.Entry[Value]{kept, e} {
				if !e.Value.Equal(in.Value) || e.Absent != in.Absent {
					c.Errorf("Fill of %+v: got %+v", in, e)
				}
				c.sameFields(e, in)
			}
			if kept.Version != e.Version {
				c.Errorf("Fill returned the version %d, Get %d", kept.Version, e.Version)
			}
		}
	},
}, {
	name: "Fill/expired",
	says: "Fill of an entry that has already expired removes what is there, like Set.",
	on:   onFiller,
	run: func(c *check) {
		c.setNumber("k", 1)
		c.fill("k", store.Entry[Value]{Value: number(2), ExpiresAt: store.Now().Add(-hour)})
		c.gone("k", "after Fill of an entry that has expired")
	},
}, {
	name: "Fill/watched",
	says: "Where nothing comes in between, Fill is watched, and its own watcher is not notified of it.",
	on:   onFiller,
	run: func(c *check) {
		l := c.watch()
		for n := range int64(10) {
			key := fmt.Sprint("k", n%3)
			if _, err := c.s.Get(c.ctx, key); err != nil && err != store.ErrNotFound {
				c.Fatalf("Get: %v", err)
			}
			before := l.notified(key)
			if _, watched := c.fill(key, store.Entry[Value]{Value: number(n), ExpiresAt: store.In(hour)}); !watched {
				c.Errorf("Fill %d is not watched", n)
			}
			c.holds(key, n)
			c.quiet()
			if l.notified(key) > before {
				c.Errorf("Fill %d was notified to its own watcher", n)
			}
		}
	},
}, {
	name: "Fill/changes notified",
	says: "If an entry that Fill kept and watched is later changed by any client, the watcher is notified.",
	on:   onFiller,
	run: func(c *check) {
		fill := func(e store.Entry[Value]) {
			if _, watched := c.fill("k", e); !watched {
				c.Errorf("Fill is not watched")
			}
		}
		c.notifiesOf(c.s, "the store itself", fill)
		if c.h.Peer != nil {
			c.notifiesOf(c.peer(), "a peer", fill)
		}
	},
}, {
	name: "Fill/notified to peers",
	says: "Fill by a peer is notified like any change.",
	on:   onFiller,
	with: hasPeer,
	run: func(c *check) {
		l, other := c.watch(), c.peer().(store.Filler[Value])
		for n := range int64(5) {
			c.setAndGet(store.Entry[Value]{Value: number(n)})
			before := l.notified("k")
			_, _, err := other.Fill(c.ctx, "k", store.Entry[Value]{Value: number(n + 100)})
			c.ok(err, "Fill")
			c.until("Fill by a peer is notified", func() bool { return l.notified("k") > before })
		}
	},
}, {
	name: "Fill/no stamp",
	full: true,
	says: "An entry with tags and without a Stamp that Fill or Replace keeps counts as loaded then: only later invalidations of its tags concern it.",
	on:   []Capability{Watcher, Filler, Tagger},
	run: func(c *check) {
		before := c.stamp()
		c.ok(store.InvalidateTags(c.ctx, c.s, "t"), "InvalidateTags")
		c.until("a stamp is from after the invalidation", func() bool { return c.stamp() > before })
		e := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t"}}
		c.fill("filled", e)
		c.setNumber("replaced", 0)
		c.replace("replaced", c.get("replaced").Version, e)
		c.holds("filled", 1)
		c.holds("replaced", 1)
		c.ok(store.InvalidateTags(c.ctx, c.s, "t"), "InvalidateTags")
		c.gone("filled", "after InvalidateTags")
		c.gone("replaced", "after InvalidateTags")
	},
}, {
	name: "Fill/mirror",
	says: "If another write came in between, Fill is not watched, or the watcher is notified.",
	on:   onFiller,
	run:  func(c *check) { c.mirror(true) },
}}

func (c *check) fill(key string, e store.Entry[Value]) (kept store.Entry[Value], watched bool) {
	c.Helper()
	kept, watched, err := c.filler().Fill(c.ctx, key, e)
	c.ok(err, "Fill of "+show(key))
	return kept, watched
}
