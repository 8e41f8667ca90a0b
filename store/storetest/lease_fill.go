package storetest

import (
	"errors"
	"fmt"

	"github.com/lokroom/strata/store"
)

var leaseFillRules = []rule{{
	name: "FillLeased/keeps",
	full: true,
	says: "FillLeased keeps an entry like Set, returns it as it was kept, and ends the lease.",
	on:   onLeaser,
	run: func(c *check) {
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t", "u"}},
			{Value: number(1)},
			{Absent: true, ExpiresAt: store.In(hour)},
		} {
			key := fmt.Sprint("k", n)
			g := c.granted(key)
			kept, _ := c.fillLeased(key, g, in)
			e := c.get(key)
			for _, e := range []store.Entry[Value]{kept, e} {
				if !e.Value.Equal(in.Value) || e.Absent != in.Absent {
					c.Errorf("FillLeased of %+v: got %+v", in, e)
				}
				c.sameFields(e, in)
			}
			if kept.Version != e.Version {
				c.Errorf("FillLeased returned the version %d, Get %d", kept.Version, e.Version)
			}
			c.lost(key, g, "FillLeased", true)
			if g := c.lease(key, 0); g.State != store.Fresh {
				c.Errorf("after FillLeased the lease is %+v", g)
			}
		}
	},
}, {
	name: "FillLeased/expired",
	full: true,
	says: "FillLeased of an entry that has already expired removes what is there.",
	on:   onLeaser,
	run: func(c *check) {
		c.set("k", staleEntry())
		g := c.granted("k")
		c.fillLeased("k", g, store.Entry[Value]{Value: number(2), ExpiresAt: store.Now().Add(-hour)})
		c.gone("k", "after FillLeased of an entry that has expired")
		c.granted("k")
	},
}, {
	name: "FillLeased/lost",
	full: true,
	says: "Every change of the key by any client revokes its lease: FillLeased, Renew and Release are ErrLeaseLost then, and change nothing.",
	on:   onLeaser,
	run: func(c *check) {
		for _, other := range c.clients() {
			for _, ch := range changes {
				if ch.on != "" && !ch.on.of(other) || ch.on == invalidates || ch.keeps {
					continue
				}
				c.set("k", staleEntry())
				g := c.granted("k")
				c.ok(ch.do(c, other), ch.name)
				c.lost("k", g, ch.name, ch.on != Clearer)
			}
		}
	},
}, {
	name: "Lease/overtaken",
	full: true,
	says: "If a tag was invalidated since the lease was given, Overtaken says so, and FillLeased of an entry with that tag is ErrLeaseLost.",
	on:   []Capability{Leaser, Tagger},
	run: func(c *check) {
		// A store may take the first use of a tag for its invalidation: its record of the tag may have been evicted.
		c.set("k", store.Entry[Value]{Value: number(1), Tags: []string{"t"}})
		for _, other := range c.clients() {
			for _, tag := range []string{"other", "t"} {
				lost := tag == "t"
				c.delete("k")
				g := c.granted("k")
				if taken := c.lease("k", 0); taken.Overtaken {
					c.Errorf("nothing was invalidated: got %+v", taken)
				}
				c.ok(store.InvalidateTags(c.ctx, other, tag), "InvalidateTags")
				c.until("the lease is overtaken", func() bool {
					taken := c.lease("k", 0)
					return taken.Holder == 0 || taken.Overtaken
				})
				e := store.Entry[Value]{Value: number(3), Tags: []string{"t"}, Stamp: g.Stamp}
				if _, _, err := leaserOf(c.s).FillLeased(c.ctx, "k", g.Lease, e); errors.Is(err, store.ErrLeaseLost) != lost || err != nil && !lost {
					c.Errorf("after the invalidation of %s FillLeased returned %v", tag, err)
				}
				if lost {
					c.gone("k", "after its tag was invalidated")
				} else {
					c.holds("k", 3)
				}
			}
		}
	},
}, {
	name: "FillLeased/no stamp",
	full: true,
	says: "FillLeased of an entry without a Stamp is ErrLeaseLost if one of its tags was invalidated at all.",
	on:   []Capability{Leaser, Tagger},
	run: func(c *check) {
		before := c.stamp()
		c.ok(store.InvalidateTags(c.ctx, c.s, "t"), "InvalidateTags")
		c.until("a stamp is from after the invalidation", func() bool { return c.stamp() > before })
		g := c.granted("k")
		e := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t"}}
		if _, _, err := leaserOf(c.s).FillLeased(c.ctx, "k", g.Lease, e); !errors.Is(err, store.ErrLeaseLost) {
			c.Errorf("FillLeased returned %v", err)
		}
		c.gone("k", "after FillLeased without a stamp")
	},
}, {
	name: "FillLeased/watched",
	full: true,
	says: "Where nothing comes in between, FillLeased is watched, its own watcher is not notified of it, and is notified of later changes.",
	on:   []Capability{Watcher, Filler, Leaser},
	run: func(c *check) {
		l := c.watch()
		fill := func(e store.Entry[Value]) {
			c.delete("k")
			g := c.granted("k")
			c.quiet()
			before := l.notified("k")
			if _, watched := c.fillLeased("k", g, e); !watched {
				c.Errorf("FillLeased is not watched")
			}
			c.quiet()
			if l.notified("k") > before {
				c.Errorf("the own watcher was notified of FillLeased")
			}
		}
		for _, other := range c.clients() {
			c.notifiesOf(other, "a client", fill)
		}
	},
}, {
	name: "Lease/end notified",
	full: true,
	says: "A client that has asked for a lease is notified of the end of another's by Release or FillLeased.",
	on:   []Capability{Watcher, Leaser},
	with: hasPeer,
	run: func(c *check) {
		l, other := c.watch(), leaserOf(c.peer())
		for n := range int64(4) {
			g, err := other.Lease(c.ctx, "k", hour, c.version("k"))
			c.ok(err, "Lease")
			if taken := c.lease("k", c.version("k")); taken.State != store.Taken {
				c.Fatalf("got %+v, want Taken", taken)
			}
			before := l.notified("k")
			if n%2 == 0 {
				err = other.Release(c.ctx, "k", g.Lease, 0, "")
			} else {
				_, _, err = other.FillLeased(c.ctx, "k", g.Lease, store.Entry[Value]{Value: number(n), Stamp: g.Stamp})
			}
			c.ok(err, "the end of the lease")
			c.until("the end of the lease is notified", func() bool { return l.notified("k") > before })
		}
	},
}, {
	name: "FillLeased/not storable",
	full: true,
	says: "Where the last value could not be stored and the store has noted that, all requests are granted the same lease until the key changes.",
	on:   onLeaser,
	with: func(h Harness) bool { return h.TooLarge > 0 },
	run: func(c *check) {
		g := c.granted("k")
		in := store.Entry[Value]{Value: large(c.h.TooLarge), ExpiresAt: store.In(hour), Stamp: g.Stamp}
		kept, _, err := leaserOf(c.s).FillLeased(c.ctx, "k", g.Lease, in)
		if !errors.Is(err, store.ErrTooLarge) && !errors.Is(err, store.ErrUnstorable) {
			c.Fatalf("FillLeased of a value that is too large returned %v", err)
		}
		c.gone("k", "after FillLeased of a value that is too large")
		if kept.Version == 0 {
			c.ok(leaserOf(c.s).Release(c.ctx, "k", g.Lease, 0, ""), "Release")
			return
		}
		for _, s := range c.clients() {
			if next, err := leaserOf(s).Lease(c.ctx, "k", hour, 0); err != nil || next.State != store.Granted || next.Lease != g.Lease {
				c.Errorf("the next one got %+v, %v, want the lease %d", next, err, g.Lease)
			}
			again, _, err := leaserOf(s).FillLeased(c.ctx, "k", g.Lease, in)
			if err == nil || again.Version != kept.Version {
				c.Errorf("a second FillLeased returned the version %d, %v, want %d", again.Version, err, kept.Version)
			}
			if Filler.of(s) {
				_, err := s.(store.Filler[Value]).Revalidate(c.ctx, "k", kept)
				c.ok(err, "Revalidate")
			}
		}
		c.setNumber("k", 1)
		c.lost("k", g, "Set", true)
	},
}, {
	name: "LeaseMany/places",
	full: true,
	says: "LeaseMany answers for each key what Lease would, in its place, and FillManyLeased what FillLeased would.",
	on:   onLeaser,
	run: func(c *check) {
		c.setNumber("fresh", 1)
		c.setNumber("not", 1)
		c.granted("taken")
		version := c.get("not").Version
		keys := []string{"new", "fresh", "taken", "not"}
		grants, err := leaserOf(c.s).LeaseMany(c.ctx, keys, hour, []uint64{0, 0, 0, version})
		c.ok(err, "LeaseMany")
		for i, want := range []store.LeaseState{store.Granted, store.Fresh, store.Taken, store.Granted} {
			if len(grants) != len(keys) || grants[i].State != want {
				c.Fatalf("the grants of %q are %+v", keys, grants)
			}
		}
		filled := leaserOf(c.s).FillManyLeased(c.ctx, []store.LeasedFill[Value]{
			{Key: "not", Lease: grants[3].Lease, Entry: store.Entry[Value]{Value: number(4), Stamp: grants[3].Stamp}},
			{Key: "taken", Lease: grants[0].Lease, Entry: store.Entry[Value]{Value: number(3), Stamp: grants[0].Stamp}},
			{Key: "new", Lease: grants[0].Lease, Entry: store.Entry[Value]{Value: number(2), Stamp: grants[0].Stamp}},
		})
		for i, want := range []error{nil, store.ErrLeaseLost, nil} {
			if !errors.Is(filled[i].Err, want) || (want == nil) != (filled[i].Entry.Version != 0) {
				c.Errorf("fill %d ended with %+v, want %v", i, filled[i], want)
			}
		}
		c.holds("not", 4)
		c.holds("new", 2)
		c.gone("taken", "after a fill under the lease of another key")
	},
}}
