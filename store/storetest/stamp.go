package storetest

import (
	"github.com/lokroom/strata/store"
)

var onTagger = []Capability{Tagger}

var stampRules = []rule{{
	name: "Stamp/before",
	full: true,
	says: "An entry is invalidated by InvalidateTags of one of its tags after its Stamp, whenever it is set; the miss has its version.",
	on:   onTagger,
	run: func(c *check) {
		for _, other := range c.clients() {
			set := func(key string, stamp uint64, tags ...string) {
				c.set(key, store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Stamp: stamp, Tags: tags})
			}
			before := c.stamp()
			c.ok(store.InvalidateTags(c.ctx, other, "t"), "InvalidateTags")
			set("k", before, "t")
			c.gone("k", "after Set with a stamp from before its tag was invalidated")
			set("k", before, "u", "t")
			c.gone("k", "after Set with a stamp from before one of its tags was invalidated")

			var after uint64
			c.until("a stamp is from after the invalidation", func() bool { after = c.stamp(); return after > before })
			set("k", after, "t")
			c.holds("k", 1)
			version := c.get("k").Version
			c.ok(store.InvalidateTags(c.ctx, other, "t"), "InvalidateTags")
			if e, err := c.s.Get(c.ctx, "k"); err != store.ErrNotFound || e.Version != version || !e.Value.Equal(Value{}) {
				c.Errorf("Get of an entry that was invalidated, of version %d, returned %+v, %v", version, e, err)
			}
		}
	},
}, {
	name: "Current/changes",
	full: true,
	says: "Current of an entry that was read becomes false, or not known, when one of its tags was invalidated by any client, and does not become false when others were.",
	on:   []Capability{Watcher, Tagger},
	run: func(c *check) {
		s := c.s.(store.Tagger)
		for _, other := range c.clients() {
			c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t", "u"}})
			e := c.get("k")
			c.until("the entry is known to be current", func() bool {
				ok, known := s.Current(e.Tags, e.Stamp)
				if known && !ok {
					c.Fatalf("an entry that was just read is not current")
				}
				return known
			})
			if ok, known := s.Current(nil, 0); !ok || !known {
				c.Errorf("an entry without tags: ok %v, known %v", ok, known)
			}
			c.ok(store.InvalidateTags(c.ctx, other, "other"), "InvalidateTags")
			c.quiet()
			if ok, known := s.Current(e.Tags, e.Stamp); known && !ok {
				c.Errorf("another tag was invalidated, and the entry is not current")
			}
			c.ok(store.InvalidateTags(c.ctx, other, "u"), "InvalidateTags")
			c.until("the entry is not known to be current any more", func() bool {
				ok, known := s.Current(e.Tags, e.Stamp)
				return !ok || !known
			})
			c.gone("k", "after InvalidateTags")
		}
	},
}, {
	name: "Recall/changes",
	full: true,
	says: "Recall of an entry that was read becomes false when one of its tags was invalidated.",
	on:   onTagger,
	run: func(c *check) {
		s := c.s.(store.Tagger)
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t"}})
		e := c.get("k")
		c.until("the entry is recalled", func() bool { return s.Recall(e.Tags, e.Stamp) })
		for _, other := range c.clients() {
			c.ok(store.InvalidateTags(c.ctx, other, "t"), "InvalidateTags")
			c.until("the entry is not recalled", func() bool { return !s.Recall(e.Tags, e.Stamp) })
		}
	},
}}

func (c *check) stamp() uint64 {
	c.Helper()
	stamp, err := c.s.(store.Tagger).Stamp(c.ctx)
	c.ok(err, "Stamp")
	if stamp == 0 {
		c.Fatalf("the stamp is zero")
	}
	return stamp
}
