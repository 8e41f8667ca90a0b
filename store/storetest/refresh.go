package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

var onFiller = []Capability{Watcher, Filler}

var refreshRules = []rule{{
	name: "Replace/keeps",
	says: "Replace of an entry of the version that is there keeps an entry like Set and returns it as it was kept, with a version of its own.",
	on:   onFiller,
	run: func(c *check) {
		c.watch()
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t", "u"}},
			{Value: number(1), Version: 1},
			{Absent: true, ExpiresAt: store.In(hour)},
		} {
			key := fmt.Sprint("k", n)
			c.setNumber(key, 7)
			old := c.get(key).Version
			kept, _ := c.replace(key, old, in)
			e := c.get(key)
			for _, e := range []store.Entry[Value]{kept, e} {
				if !e.Value.Equal(in.Value) || e.Absent != in.Absent {
					c.Errorf("Replace by %+v: got %+v", in, e)
				}
				c.sameFields(e, in)
			}
			if kept.Version != e.Version || kept.Version == old || kept.Version == 0 {
				c.Errorf("Replace of version %d returned %d, Get %d", old, kept.Version, e.Version)
			}
		}
	},
}, {
	name: "Replace/changed",
	says: "Replace is ErrChanged, and changes nothing, unless the entry is of the version.",
	on:   onFiller,
	run: func(c *check) {
		c.setNumber("k", 1)
		first := c.get("k").Version
		for _, change := range []struct {
			what string
			do   func()
		}{
			{"Replace", func() { c.replace("k", first, store.Entry[Value]{Value: number(2)}) }},
			{"Set", func() { c.setNumber("k", 3) }},
			{"Set of an absent entry", func() { c.set("k", store.Entry[Value]{Absent: true}) }},
			{"Delete", func() { c.delete("k") }},
			{"Set of the same value", func() { c.setNumber("k", 1) }},
		} {
			change.do()
			before, wasErr := c.s.Get(c.ctx, "k")
			for _, e := range []store.Entry[Value]{{Value: number(9)}, {ExpiresAt: store.Now().Add(-hour)}} {
				if _, _, err := c.filler().Replace(c.ctx, "k", first, e); !errors.Is(err, store.ErrChanged) {
					c.Errorf("Replace after %s returned %v", change.what, err)
				}
			}
			now, err := c.s.Get(c.ctx, "k")
			if !now.Value.Equal(before.Value) || now.Absent != before.Absent || now.Version != before.Version || !errors.Is(err, wasErr) {
				c.Errorf("after %s, and a Replace that was refused, there is %+v, %v; before it %+v, %v", change.what, now, err, before, wasErr)
			}
		}
	},
}, {
	name: "Replace/one wins",
	says: "Of several Replaces of one version one is kept.",
	on:   onFiller,
	run: func(c *check) {
		for round := range int64(30) {
			c.setNumber("k", -1)
			version := c.get("k").Version
			var kept, last atomic.Int64
			c.together(8, func(g int) error {
				n := round*8 + int64(g)
				_, _, err := c.filler().Replace(c.ctx, "k", version, store.Entry[Value]{Value: number(n)})
				switch {
				case err == nil:
					kept.Add(1)
					last.Store(n)
				case !errors.Is(err, store.ErrChanged):
					return err
				}
				return nil
			})
			if kept.Load() != 1 {
				c.Errorf("%d of 8 were kept", kept.Load())
			}
			c.holds("k", last.Load())
		}
	},
}, {
	name: "Replace/expired",
	says: "Replace by an entry that has already expired removes what is there, like Set.",
	on:   onFiller,
	run: func(c *check) {
		c.setNumber("k", 1)
		c.replace("k", c.get("k").Version, store.Entry[Value]{Value: number(2), ExpiresAt: store.Now().Add(-hour)})
		c.gone("k", "after Replace by an entry that has expired")
	},
}, {
	name: "Replace/watched",
	says: "Where nothing comes in between, Replace is watched, and its own watcher is not notified of it.",
	on:   onFiller,
	run: func(c *check) {
		l := c.watch()
		c.setAndGet(store.Entry[Value]{Value: number(0)})
		for n := range int64(10) {
			before := l.notified("k")
			if _, watched := c.replace("k", c.get("k").Version, store.Entry[Value]{Value: number(n), ExpiresAt: store.In(hour)}); !watched {
				c.Errorf("Replace %d is not watched", n)
			}
			c.quiet()
			if l.notified("k") > before {
				c.Errorf("Replace %d was notified to its own watcher", n)
			}
		}
	},
}, {
	name: "Replace/changes notified",
	says: "If an entry that Replace kept and watched is later changed by any client, the watcher is notified.",
	on:   onFiller,
	run: func(c *check) {
		replace := func(e store.Entry[Value]) {
			c.setAndGet(e)
			if _, watched := c.replace("k", c.get("k").Version, e); !watched {
				c.Errorf("Replace is not watched")
			}
		}
		c.notifiesOf(c.s, "the store itself", replace)
		if c.h.Peer != nil {
			c.notifiesOf(c.peer(), "a peer", replace)
		}
	},
}, {
	name: "Replace/notified to peers",
	says: "Replace by a peer is notified like any change.",
	on:   onFiller,
	with: hasPeer,
	run: func(c *check) {
		l, other := c.watch(), c.peer().(store.Filler[Value])
		for n := range int64(5) {
			c.setAndGet(store.Entry[Value]{Value: number(n)})
			before := l.notified("k")
			_, _, err := other.Replace(c.ctx, "k", c.get("k").Version, store.Entry[Value]{Value: number(n + 100)})
			c.ok(err, "Replace")
			c.until("Replace by a peer is notified", func() bool { return l.notified("k") > before })
		}
	},
}, {
	name: "Claim/one",
	says: "Of several claims of one version of an entry one is granted, and the others are answered for how long it is taken.",
	on:   onFiller,
	run: func(c *check) {
		for round := range 10 {
			key := fmt.Sprint("k", round)
			var mu sync.Mutex
			var granted []uint64
			c.together(8, func(int) error {
				g, err := c.filler().Claim(c.ctx, key, 7, hour)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					return err
				case g.State == store.Granted && g.Lease != 0:
					granted = append(granted, g.Lease)
				case g.State != store.Taken || g.Left <= hour/2 || g.Left > hour:
					return fmt.Errorf("got %+v", g)
				}
				return nil
			})
			if len(granted) != 1 {
				c.Errorf("%d of 8 were granted the claim", len(granted))
			}
		}
	},
}, {
	name: "Claim/of a version",
	says: "A claim is of one version of one entry.",
	on:   onFiller,
	run: func(c *check) {
		c.claim("k", 7, hour)
		c.claim("k", 8, hour)
		c.claim("k2", 7, hour)
		c.claim("", 7, hour)
		c.claim("k:7", 7, hour)
		c.claim("k", 0x77, hour)
	},
}, {
	name: "Claim/peers",
	says: "A claim is one among all peers.",
	on:   onFiller,
	with: hasPeer,
	run: func(c *check) {
		c.claim("k", 7, hour)
		if g, err := c.peer().(store.Filler[Value]).Claim(c.ctx, "k", 7, hour); err != nil || g.State != store.Taken {
			c.Errorf("a peer got %+v, %v", g, err)
		}
	},
}, {
	name: "Claim/ends",
	says: "A claim ends by itself, or when it is ended.",
	on:   onFiller,
	run: func(c *check) {
		c.claim("k", 7, 50*time.Millisecond)
		c.claimable("k", 7)

		id := c.claim("later", 7, hour)
		c.ok(c.filler().EndClaim(c.ctx, "later", 7, id, 50*time.Millisecond), "EndClaim")
		c.claimable("later", 7)

		id = c.claim("now", 7, hour)
		c.ok(c.filler().EndClaim(c.ctx, "now", 7, id, 0), "EndClaim")
		next := c.claim("now", 7, hour)
		for _, d := range []time.Duration{0, hour} {
			if err := c.filler().EndClaim(c.ctx, "now", 7, id, d); !errors.Is(err, store.ErrLeaseLost) {
				c.Errorf("EndClaim of one that has ended returned %v", err)
			}
		}
		c.taken("now", 7)
		c.ok(c.filler().EndClaim(c.ctx, "now", 7, next, -1), "EndClaim")
		c.claim("now", 7, hour)
	},
}, {
	name: "Claim/is prolonged",
	says: "EndClaim makes a claim end later, too.",
	on:   onFiller,
	run: func(c *check) {
		id := c.claim("k", 7, time.Minute)
		c.ok(c.filler().EndClaim(c.ctx, "k", 7, id, hour), "EndClaim")
		if g := c.taken("k", 7); g.Left < hour/2 {
			c.Errorf("it ends in %v", g.Left)
		}
	},
}, {
	name: "Claim/unnoticed",
	says: "A claim does not change the entry, and no watcher is notified of it.",
	on:   onFiller,
	run: func(c *check) {
		l := c.watch()
		c.setAndGet(store.Entry[Value]{Value: number(1)})
		was, before := c.get("k").Version, l.notified("k")
		id := c.claim("k", was, hour)
		c.ok(c.filler().EndClaim(c.ctx, "k", was, id, hour), "EndClaim")
		c.ok(c.filler().EndClaim(c.ctx, "k", was, id, 0), "EndClaim")
		c.quiet()
		if l.notified("k") > before {
			c.Errorf("the watcher was notified")
		}
		c.holds("k", 1)
		c.replace("k", was, store.Entry[Value]{Value: number(2)})
		c.holds("k", 2)
	},
}}

func (c *check) filler() store.Filler[Value] { return c.s.(store.Filler[Value]) }

// replace replaces the entry under key, which is of this version.
func (c *check) replace(key string, version uint64, e store.Entry[Value]) (kept store.Entry[Value], watched bool) {
	c.Helper()
	kept, watched, err := c.filler().Replace(c.ctx, key, version, e)
	if errors.Is(err, store.ErrChanged) && c.h.Lossy {
		c.forgot(key)
	}
	c.ok(err, "Replace of "+show(key))
	return kept, watched
}

// claim claims what is not claimed.
func (c *check) claim(key string, version uint64, d time.Duration) (id uint64) {
	c.Helper()
	g, err := c.filler().Claim(c.ctx, key, version, d)
	if err != nil || g.State != store.Granted || g.Lease == 0 {
		c.Fatalf("Claim of %s returned %+v, %v", show(key), g, err)
	}
	return g.Lease
}

// claimable waits until a claim of what was claimed is granted.
func (c *check) claimable(key string, version uint64) {
	c.Helper()
	c.until("the claim of "+show(key)+" ends", func() bool {
		g, err := c.filler().Claim(c.ctx, key, version, hour)
		c.ok(err, "Claim")
		return g.State == store.Granted
	})
}

// taken claims what is claimed already.
func (c *check) taken(key string, version uint64) store.Grant {
	c.Helper()
	g, err := c.filler().Claim(c.ctx, key, version, hour)
	if err != nil || g.State != store.Taken {
		c.Errorf("Claim of %s returned %+v, %v", show(key), g, err)
	}
	return g
}
