package storetest

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

var onReviser = []Capability{Reviser}

// revisions are pairs of an older and a newer one. Some differ only where a float64
// does not.
var revisions = [][2]uint64{{0, 1}, {1, 2}, {255, 256}, {1 << 32, 1<<32 + 1}, {1<<53 - 1, 1 << 53}, {1 << 53, 1<<53 + 1}, {1<<63 - 1, 1 << 63}, {math.MaxUint64 - 1, math.MaxUint64}}

var reviseRules = []rule{{
	name: "SetNewer/keeps",
	says: "SetNewer keeps an entry like Set, and its Revision, which Set keeps as well.",
	on:   onReviser,
	run: func(c *check) {
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t", "u"}, Revision: 7},
			{Value: number(1), Revision: math.MaxUint64},
			{Absent: true, ExpiresAt: store.In(hour), Revision: 1},
			{Value: number(1)},
		} {
			for set, do := range map[string]func(string, store.Entry[Value]){"Set": c.set, "SetNewer": c.newer} {
				key := fmt.Sprint(set, n)
				do(key, in)
				e := c.get(key)
				if !e.Value.Equal(in.Value) || e.Absent != in.Absent || e.Revision != in.Revision {
					c.Errorf("%s of %+v: got %+v", set, in, e)
				}
				c.sameFields(e, in)
			}
		}
	},
}, {
	name: "SetNewer/older",
	says: "SetNewer leaves an entry of a newer Revision as it is, and returns false.",
	on:   onReviser,
	run: func(c *check) {
		for n, r := range revisions {
			key := fmt.Sprint("k", n)
			c.newer(key, store.Entry[Value]{Value: number(2), Revision: r[1]})
			c.notNewer(key, store.Entry[Value]{Value: number(1), Revision: r[0]})
			c.holds(key, 2)
		}
		c.newer("absent", store.Entry[Value]{Absent: true, Revision: 2})
		c.notNewer("absent", store.Entry[Value]{Value: number(1), Revision: 1})
		if e := c.get("absent"); !e.Absent {
			c.Errorf("an absent entry was replaced by an older value: %+v", e)
		}
		c.newer("stale", store.Entry[Value]{Value: number(2), Revision: 2, StaleAt: store.Now().Add(-hour), ExpiresAt: store.In(hour)})
		c.notNewer("stale", store.Entry[Value]{Value: number(1), Revision: 1})
		c.holds("stale", 2)
	},
}, {
	name: "SetNewer/same",
	says: "SetNewer leaves an entry of the same Revision as it is, and returns false.",
	on:   onReviser,
	run: func(c *check) {
		for n, r := range revisions {
			key := fmt.Sprint("k", n)
			c.newer(key, store.Entry[Value]{Value: number(1), Revision: r[1]})
			c.notNewer(key, store.Entry[Value]{Value: number(2), Revision: r[1]})
			c.holds(key, 1)
		}
	},
}, {
	name: "SetNewer/newer",
	says: "SetNewer replaces an entry of an older Revision, or of none, and a counter.",
	on:   onReviser,
	run: func(c *check) {
		for n, r := range revisions {
			key := fmt.Sprint("k", n)
			c.set(key, store.Entry[Value]{Value: number(1), Revision: r[0]})
			c.newer(key, store.Entry[Value]{Value: number(2), Revision: r[1]})
			c.holds(key, 2)
		}
		c.setNumber("none", 1)
		c.newer("none", store.Entry[Value]{Value: number(2)})
		c.holds("none", 2)
		if Counter.of(c.s) {
			_, err := store.Add(c.ctx, c.s, "counter", 5, 0)
			c.ok(err, "Add")
			c.newer("counter", store.Entry[Value]{Value: number(2), Revision: 1})
			c.holds("counter", 2)
		}
	},
}, {
	name: "SetNewer/what is there",
	says: "SetNewer compares with what is there: Set replaces a newer entry, and what was removed, by whatever means, does not count.",
	on:   onReviser,
	run: func(c *check) {
		c.newer("k", store.Entry[Value]{Value: number(5), Revision: 5})
		c.set("k", store.Entry[Value]{Value: number(3), Revision: 3})
		c.holds("k", 3)
		c.newer("k", store.Entry[Value]{Value: number(4), Revision: 4})
		c.delete("k")
		c.newer("k", store.Entry[Value]{Value: number(1), Revision: 1})
		c.holds("k", 1)
		for name, remove := range map[Capability]func() error{
			invalidates: func() error { return c.s.(invalidator).InvalidateTags(c.ctx, "t") },
			Clearer:     func() error { return store.Clear(c.ctx, c.s) },
		} {
			if !name.of(c.s) {
				continue
			}
			c.newer("k", store.Entry[Value]{Value: number(5), Revision: 5, Tags: []string{"t"}})
			c.ok(remove(), string(name))
			c.newer("k", store.Entry[Value]{Value: number(3), Revision: 3, Tags: []string{"t"}})
			c.holds("k", 3)
			c.delete("k")
		}
	},
}, {
	name: "SetNewer/expired",
	says: "SetNewer of an entry that has already expired removes what is there, like Set.",
	on:   onReviser,
	run: func(c *check) {
		for key, r := range map[string]uint64{"older": 1, "newer": 3} {
			c.newer(key, store.Entry[Value]{Value: number(2), Revision: 2})
			c.newer(key, store.Entry[Value]{Value: number(1), Revision: r, ExpiresAt: store.Now().Add(-hour)})
			c.gone(key, "after SetNewer of an entry that has expired")
		}
	},
}, {
	name: "SetNewer/any order",
	says: "Of several SetNewer at the same time the newest is there afterwards, and the last that was kept is that one.",
	on:   onReviser,
	run: func(c *check) {
		stores := []store.Store[Value]{c.s}
		if c.h.Peer != nil {
			stores = append(stores, c.peer())
		}
		const writers = 6
		var last atomic.Uint64
		for round := range 30 {
			key := fmt.Sprint("k", round)
			c.together(writers, func(g int) error {
				for range 5 {
					n := last.Add(1)
					e := store.Entry[Value]{Value: number(int64(n)), Revision: n}
					if _, err := store.SetNewer(c.ctx, stores[g%len(stores)], key, e); err != nil {
						return err
					}
				}
				return nil
			})
			c.holds(key, int64(last.Load()))
		}
	},
}, {
	name: "SetIfAbsent/keeps",
	says: "SetIfAbsent keeps an entry like Set where there is no value: nothing, an absent entry, or one that has expired.",
	on:   onReviser,
	run: func(c *check) {
		in := store.Entry[Value]{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t", "u"}, Revision: 7}
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		c.set("expired", store.Entry[Value]{Value: number(1), ExpiresAt: store.Now().Add(-hour)})
		for _, key := range []string{"new", "absent", "expired"} {
			c.setsIfAbsent(key, in, true)
			e := c.get(key)
			if !e.Value.Equal(in.Value) || e.Absent || e.Revision != in.Revision {
				c.Errorf("%s: got %+v", key, e)
			}
			c.sameFields(e, in)
		}
		c.delete("new")
		c.setsIfAbsent("new", in, true)
	},
}, {
	name: "SetIfAbsent/there",
	says: "SetIfAbsent leaves a value as it is, fresh or stale, of whatever Revision, and returns false.",
	on:   onReviser,
	run: func(c *check) {
		for key, there := range map[string]store.Entry[Value]{
			"fresh":    {Value: number(1), ExpiresAt: store.In(hour)},
			"stale":    {Value: number(1), StaleAt: store.Now().Add(-hour), ExpiresAt: store.In(hour)},
			"revision": {Value: number(1), Revision: 1},
		} {
			c.set(key, there)
			c.get(key)
			c.setsIfAbsent(key, store.Entry[Value]{Value: number(2), Revision: 2}, false)
			c.holds(key, 1)
		}
	},
}, {
	name: "SetIfAbsent/one",
	says: "Of concurrent calls of SetIfAbsent one returns true, and its value is kept.",
	on:   onReviser,
	run: func(c *check) {
		const callers = 8
		for round := range 20 {
			key := fmt.Sprint("k", round)
			var sets atomic.Int64
			var kept atomic.Int64
			c.together(callers, func(g int) error {
				set, err := store.SetIfAbsent(c.ctx, c.s, key, store.Entry[Value]{Value: number(int64(g))})
				if set {
					sets.Add(1)
					kept.Store(int64(g))
				}
				return err
			})
			if n := sets.Load(); n != 1 {
				c.Errorf("%d of %d calls returned true", n, callers)
			}
			c.holds(key, kept.Load())
		}
	},
}}

// newer fails unless e is kept.
func (c *check) newer(key string, e store.Entry[Value]) {
	c.Helper()
	kept, err := store.SetNewer(c.ctx, c.s, key, e)
	c.ok(err, "SetNewer of "+show(key))
	if !kept {
		c.Errorf("SetNewer of %s with revision %d was not kept", show(key), e.Revision)
	}
}

// notNewer fails if e is kept.
func (c *check) notNewer(key string, e store.Entry[Value]) {
	c.Helper()
	kept, err := store.SetNewer(c.ctx, c.s, key, e)
	c.ok(err, "SetNewer of "+show(key))
	if kept {
		c.Errorf("SetNewer of %s with revision %d was kept", show(key), e.Revision)
	}
}

// setsIfAbsent fails unless SetIfAbsent returns want.
func (c *check) setsIfAbsent(key string, e store.Entry[Value], want bool) {
	c.Helper()
	if set, err := store.SetIfAbsent(c.ctx, c.s, key, e); set != want || err != nil {
		c.Errorf("SetIfAbsent of %s returned %v, %v, want %v", show(key), set, err, want)
	}
}
