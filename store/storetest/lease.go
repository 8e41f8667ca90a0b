package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

var onLeaser = []Capability{Leaser}

var leaseRules = []rule{{
	name: "Lease/one",
	full: true,
	says: "Of several requests at the same time one is granted the lease, and the others are answered for how long it is taken.",
	on:   onLeaser,
	run: func(c *check) {
		stores := c.clients()
		for round := range 10 {
			key := fmt.Sprint("k", round)
			var granted atomic.Int64
			c.together(8, func(g int) error {
				grant, err := leaserOf(stores[g%len(stores)]).Lease(c.ctx, key, hour, 0)
				switch {
				case err != nil:
					return err
				case grant.State == store.Granted && grant.Lease != 0:
					granted.Add(1)
				case grant.State != store.Taken || grant.Left <= hour/2 || grant.Left > hour:
					return fmt.Errorf("got %+v", grant)
				}
				return nil
			})
			if n := granted.Load(); n != 1 {
				c.Errorf("%d of 8 were granted the lease", n)
			}
		}
	},
}, {
	name: "Lease/fresh",
	full: true,
	says: "A lease is given only where there is no fresh entry; one of the version not counts as stale.",
	on:   onLeaser,
	run: func(c *check) {
		for key, e := range map[string]store.Entry[Value]{
			"endless": {Value: number(1)},
			"fresh":   {Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2)},
			"absent":  {Absent: true, ExpiresAt: store.In(hour)},
		} {
			c.set(key, e)
			version := c.get(key).Version
			if g := c.lease(key, 0); g.State != store.Fresh || g.Version != version {
				c.Errorf("%s: got %+v, want Fresh with version %d", key, g, version)
			}
			if g := c.lease(key, version); g.State != store.Granted {
				c.Errorf("%s, which does not count: got %+v", key, g)
			}
		}
		c.set("stale", staleEntry())
		version := c.get("stale").Version
		if g := c.granted("stale"); g.Version != version {
			c.Errorf("the version of the stale entry is %d, want %d", g.Version, version)
		}
		if g := c.granted("nothing"); g.Version != 0 {
			c.Errorf("the version of nothing is %d", g.Version)
		}
	},
}, {
	name: "Lease/ends",
	full: true,
	says: "A lease ends by itself, or by Release, and the next one is another.",
	on:   onLeaser,
	run: func(c *check) {
		g, err := leaserOf(c.s).Lease(c.ctx, "k", 50*time.Millisecond, 0)
		c.ok(err, "Lease")
		next := c.leasable("k")
		if next.Lease == g.Lease {
			c.Errorf("the lease is given a second time")
		}
		c.lost("k", g, "its end", true)
		c.ok(leaserOf(c.s).Release(c.ctx, "k", next.Lease, 0, ""), "Release")
		c.lost("k", next, "Release", true)
		c.granted("k")
	},
}, {
	name: "Lease/renewed",
	full: true,
	says: "Renew makes a lease last from now.",
	on:   onLeaser,
	run: func(c *check) {
		c.set("stale", staleEntry())
		for _, key := range []string{"k", "stale"} {
			g, err := leaserOf(c.s).Lease(c.ctx, key, time.Minute, 0)
			c.ok(err, "Lease")
			c.ok(leaserOf(c.s).Renew(c.ctx, key, g.Lease, hour/2), "Renew")
			if other := c.lease(key, 0); other.State != store.Taken || other.Left < hour/4 {
				c.Errorf("after Renew the lease of %s is %+v", key, other)
			}
			c.fillLeased(key, g, store.Entry[Value]{Value: number(2)})
			c.holds(key, 2)
		}
	},
}, {
	name: "Lease/backed off",
	full: true,
	says: "After Release with a back-off no lease is given for that time, and requests are answered with why; without a reason only while there is a stale entry.",
	on:   onLeaser,
	run: func(c *check) {
		release := func(key string, backOff time.Duration, why string) {
			c.ok(leaserOf(c.s).Release(c.ctx, key, c.granted(key).Lease, backOff, why), "Release")
		}
		release("k", hour, "the source is down")
		for _, s := range c.clients() {
			if g, err := leaserOf(s).Lease(c.ctx, "k", hour, 0); err != nil || g.State != store.BackedOff || g.Why != "the source is down" || g.Left < hour/2 {
				c.Errorf("got %+v, %v", g, err)
			}
		}
		c.delete("k")
		c.granted("k")

		release("short", 50*time.Millisecond, "the source is down")
		c.leasable("short")

		release("nothing", hour, "")
		c.granted("nothing")
		c.set("stale", staleEntry())
		release("stale", hour, "")
		if g := c.lease("stale", 0); g.State != store.BackedOff {
			c.Errorf("with a stale entry: got %+v", g)
		}
		c.holds("stale", 1)
	},
}, {
	name: "Lease/holder",
	full: true,
	says: "A lease that is named as not counts as ended: another is granted, and the first is lost.",
	on:   onLeaser,
	run: func(c *check) {
		first := c.granted("k")
		taken := c.lease("k", 0)
		if taken.State != store.Taken || taken.Holder != 0 && taken.Holder != first.Lease {
			c.Fatalf("the lease %d is taken: got %+v", first.Lease, taken)
		}
		if taken.Holder == 0 {
			return
		}
		if g := c.lease("k", taken.Holder+1); g.State != store.Taken {
			c.Errorf("named another lease: got %+v", g)
		}
		second := c.lease("k", taken.Holder)
		if second.State != store.Granted || second.Lease == first.Lease {
			c.Fatalf("named the lease: got %+v", second)
		}
		if _, _, err := leaserOf(c.s).FillLeased(c.ctx, "k", first.Lease, store.Entry[Value]{Value: number(1), Stamp: first.Stamp}); !errors.Is(err, store.ErrLeaseLost) {
			c.Errorf("FillLeased under the first returned %v", err)
		}
		c.fillLeased("k", second, store.Entry[Value]{Value: number(2)})
		c.holds("k", 2)
	},
}}

func leaserOf(s store.Store[Value]) store.Leaser[Value] { return s.(store.Leaser[Value]) }

// clients returns c.s and, if the data can be shared, a peer.
func (c *check) clients() []store.Store[Value] {
	c.Helper()
	if c.h.Peer == nil {
		return []store.Store[Value]{c.s}
	}
	return []store.Store[Value]{c.s, c.peer()}
}

// lease asks for the lease of key.
func (c *check) lease(key string, not uint64) store.Grant {
	c.Helper()
	g, err := leaserOf(c.s).Lease(c.ctx, key, hour, not)
	c.ok(err, "Lease of "+show(key))
	return g
}

// granted asks for the lease of key, which has to be granted.
func (c *check) granted(key string) store.Grant {
	c.Helper()
	g := c.lease(key, 0)
	if g.State != store.Granted || g.Lease == 0 {
		c.Fatalf("Lease of %s returned %+v, want Granted", show(key), g)
	}
	return g
}

// leasable waits until the lease of key is granted.
func (c *check) leasable(key string) (g store.Grant) {
	c.Helper()
	c.until("the lease of "+show(key)+" is granted", func() bool {
		g = c.lease(key, 0)
		return g.State == store.Granted
	})
	return g
}

// staleEntry returns an entry past its soft expiry that outlives a lease.
func staleEntry() store.Entry[Value] {
	return store.Entry[Value]{Value: number(1), ExpiresAt: store.In(10 * hour), StaleAt: store.Now().Add(-hour)}
}

// fillLeased fills key under a lease that is valid.
func (c *check) fillLeased(key string, g store.Grant, e store.Entry[Value]) (kept store.Entry[Value], watched bool) {
	c.Helper()
	e.Stamp = g.Stamp
	kept, watched, err := leaserOf(c.s).FillLeased(c.ctx, key, g.Lease, e)
	c.ok(err, "FillLeased of "+show(key))
	return kept, watched
}

// lost fails unless the lease g is lost after what. all says that Renew and Release are to
// notice it, too.
func (c *check) lost(key string, g store.Grant, after string, all bool) {
	c.Helper()
	l := leaserOf(c.s)
	before, wasErr := c.s.Get(c.ctx, key)
	errs := make(map[string]error)
	_, _, errs["FillLeased"] = l.FillLeased(c.ctx, key, g.Lease, store.Entry[Value]{Value: number(99), Stamp: g.Stamp})
	_, _, errs["FillLeased of an expired entry"] = l.FillLeased(c.ctx, key, g.Lease, store.Entry[Value]{ExpiresAt: store.Now().Add(-hour), Stamp: g.Stamp})
	if all {
		errs["Renew"] = l.Renew(c.ctx, key, g.Lease, hour)
		errs["Release"] = l.Release(c.ctx, key, g.Lease, 0, "")
	}
	for op, err := range errs {
		if !errors.Is(err, store.ErrLeaseLost) {
			c.Errorf("%s after %s returned %v", op, after, err)
		}
	}
	now, err := c.s.Get(c.ctx, key)
	if !now.Value.Equal(before.Value) || now.Absent != before.Absent || !errors.Is(err, wasErr) {
		c.Errorf("after %s, and calls under the lease that was lost, there is %v, %v; before it %v, %v", after, now.Value, err, before.Value, wasErr)
	}
}

// version returns the version of the entry under key, 0 if there is none.
func (c *check) version(key string) uint64 {
	e, _ := c.s.Get(c.ctx, key)
	return e.Version
}
