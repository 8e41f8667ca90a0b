package storetest

import "github.com/lokroom/strata/store"

var statsRules = []rule{{
	name: "Ping/answers",
	says: "Ping returns nil while the backend is there.",
	run:  func(c *check) { c.ok(store.Ping(c.ctx, c.s), "Ping") },
}, {
	name: "Stats/counts",
	full: true,
	says: "Stats counts the Gets that found an entry, absent ones included, those that did not, the entries that were set and the keys that were deleted.",
	on:   []Capability{Reporter},
	run: func(c *check) {
		c.moves("Set", store.Stats{Sets: 2}, func() {
			c.setNumber("a", 1)
			c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		})
		c.moves("Get of what is there", store.Stats{Hits: 3}, func() {
			c.get("a")
			c.get("a")
			c.get("absent")
		})
		c.moves("Get of what is not there", store.Stats{Misses: 2}, func() {
			c.gone("x", "before Set")
			c.gone("y", "before Set")
		})
		c.moves("GetMany", store.Stats{Hits: 2, Misses: 1}, func() {
			if len(c.getMany("a", "x", "absent")) < 2 {
				c.forgot("a")
			}
		})
		c.moves("SetMany", store.Stats{Sets: 2}, func() {
			c.ok(store.SetMany(c.ctx, c.s, map[string]store.Entry[Value]{"b": {}, "c": {}}), "SetMany")
		})
		c.moves("Delete", store.Stats{Deletes: 2}, func() { c.delete("a", "b") })
	},
}, {
	name: "Stats/entries",
	says: "Stats reports how many entries are held, as far as the store knows, and stays within its budget.",
	on:   []Capability{Reporter},
	run: func(c *check) {
		before := c.stats().Entries
		for n := range int64(10) {
			c.setNumber(string(rune('a'+n)), n)
		}
		after := c.stats()
		if grown := after.Entries - before; after.Entries != 0 && grown != 10 && !c.h.Lossy {
			c.Errorf("Entries went from %d to %d by 10 entries", before, after.Entries)
		}
		if after.MaxBytes > 0 && after.Bytes > after.MaxBytes {
			c.Errorf("Bytes is %d, more than MaxBytes, %d", after.Bytes, after.MaxBytes)
		}
	},
}}

func (c *check) stats() store.Stats {
	c.Helper()
	c.settle()
	st, err := store.StatsOf(c.ctx, c.s)
	c.ok(err, "Stats")
	return st
}

// moves fails unless do moves the counters by want. A counter that is still
// zero afterwards is one that the store does not have.
func (c *check) moves(what string, want store.Stats, do func()) {
	c.Helper()
	before := c.stats()
	do()
	after := c.stats()
	for _, f := range []struct {
		name                string
		before, after, want uint64
	}{
		{"Hits", before.Hits, after.Hits, want.Hits},
		{"Misses", before.Misses, after.Misses, want.Misses},
		{"Sets", before.Sets, after.Sets, want.Sets},
		{"Deletes", before.Deletes, after.Deletes, want.Deletes},
		{"Errors", before.Errors, after.Errors, want.Errors},
	} {
		if f.after != 0 && f.after-f.before != f.want {
			c.Errorf("%s moved %s by %d, want %d", what, f.name, f.after-f.before, f.want)
		}
	}
}
