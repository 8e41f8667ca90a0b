package storetest

import (
	"time"

	"github.com/lokroom/strata/store"
)

var onExpirer = []Capability{Expirer}

var expireRules = []rule{{
	name: "TTL/left",
	full: true,
	says: "TTL returns how long the entry has left to its hard expiry, Forever if it has none. Absent entries count as entries.",
	run: func(c *check) {
		c.set("hour", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.In(time.Minute)})
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		c.setNumber("for ever", 1)
		c.ttl("hour", hour)
		c.ttl("absent", hour)
		c.ttl("for ever", store.Forever)
	},
}, {
	name: "TTL/missing",
	says: "TTL of a key that has no entry, or one that has expired, is ErrNotFound, bare.",
	run: func(c *check) {
		at := store.In(short)
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: at})
		c.expires("k", at)
		for _, key := range []string{"nothing", "k"} {
			if ttl, err := store.TTL(c.ctx, c.s, key); err != store.ErrNotFound {
				c.Errorf("TTL of %q returned %v, %v", key, ttl, err)
			}
		}
	},
}, {
	name: "Exists/value",
	full: true,
	says: "Exists reports whether there is a value under the key; an absent entry is none, nor is one that has expired.",
	run: func(c *check) {
		at := store.In(short)
		c.set("expired", store.Entry[Value]{Value: number(1), ExpiresAt: at})
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		c.set("stale", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.Now().Add(-hour)})
		c.setNumber("value", 0)
		c.expires("expired", at)
		c.get("value")
		c.get("stale")
		for key, want := range map[string]bool{
			"value": true, "stale": true, "absent": false, "expired": false, "nothing": false,
		} {
			c.exists(key, want)
		}
	},
}, {
	name: "Expire/sets",
	full: true,
	says: "Expire sets the time left to the hard expiry and leaves the rest of the entry as it is.",
	on:   onExpirer,
	run: func(c *check) {
		in := store.Entry[Value]{Value: rich(), ExpiresAt: store.In(time.Minute), Tags: []string{"t"}}
		c.set("longer", in)
		c.set("from ever", store.Entry[Value]{Value: rich(), Tags: []string{"t"}})
		for _, key := range []string{"longer", "from ever"} {
			c.get(key)
			c.ok(store.Expire(c.ctx, c.s, key, hour), "Expire")
			e := c.get(key)
			if left := e.ExpiresAt.Until(); (hour - left).Abs() > time.Minute/2 {
				c.Errorf("after Expire to an hour the entry has %v left", left)
			}
			if !e.Value.Equal(rich()) || len(e.Tags) != 1 {
				c.Errorf("after Expire the entry is %+v", e)
			}
			c.ttl(key, hour)
		}
	},
}, {
	name: "Expire/expires",
	says: "An entry that Expire gave a time to is gone when it has passed.",
	on:   onExpirer,
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour)})
		c.get("k")
		c.ok(store.Expire(c.ctx, c.s, "k", short), "Expire")
		at := store.In(short) // not before it does
		c.until("the entry expires", func() bool {
			before := store.Now()
			_, err := c.s.Get(c.ctx, "k")
			if err == nil && before.Sub(at) >= c.tolerance() {
				c.Errorf("the entry was returned %v after its expiry", before.Sub(at))
			}
			return err == store.ErrNotFound
		})
	},
}, {
	name: "Expire/soft",
	full: true,
	says: "Expire leaves the soft expiry as far before the hard one as it was.",
	on:   onExpirer,
	run: func(c *check) {
		now := store.Now()
		c.set("fresh", store.Entry[Value]{Value: number(1), ExpiresAt: now.Add(2 * hour), StaleAt: now.Add(hour)})
		c.set("stale", store.Entry[Value]{Value: number(1), ExpiresAt: now.Add(hour), StaleAt: now.Add(-hour)})
		for key, distance := range map[string]time.Duration{"fresh": hour, "stale": 2 * hour} {
			c.get(key)
			c.ok(store.Expire(c.ctx, c.s, key, 10*hour), "Expire")
			e := c.get(key)
			if got := e.ExpiresAt.Sub(e.StaleAt); (got - distance).Abs() > 2*c.tolerance() {
				c.Errorf("%s: the soft expiry is %v before the hard one, want %v", key, got, distance)
			}
		}
	},
}, {
	name: "Expire/forever",
	says: "Expire to Forever removes the expiry.",
	on:   onExpirer,
	run: func(c *check) {
		at := store.In(short)
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: at})
		if err := store.Expire(c.ctx, c.s, "k", store.Forever); err == store.ErrNotFound && store.Now() >= at {
			return // the machine was too slow: nothing can be said
		} else if err != nil {
			c.Fatalf("Expire returned %v", err)
		}
		c.ttl("k", store.Forever)
		c.until("the old expiry passes", func() bool { return store.Now().Sub(at) > c.tolerance() })
		if e := c.get("k"); e.ExpiresAt != 0 {
			c.Errorf("ExpiresAt is %v", e.ExpiresAt)
		}
		c.holds("k", 1)
	},
}, {
	name: "Expire/removes",
	says: "Expire to zero or less removes the entry.",
	on:   onExpirer,
	run: func(c *check) {
		for _, ttl := range []time.Duration{0, -1, -hour} {
			c.setNumber("k", 1)
			c.get("k")
			c.ok(store.Expire(c.ctx, c.s, "k", ttl), "Expire")
			c.gone("k", "after Expire to "+ttl.String())
		}
	},
}, {
	name: "Expire/missing",
	says: "Expire of a key that has no entry is ErrNotFound, bare, and makes none.",
	on:   onExpirer,
	run: func(c *check) {
		for _, ttl := range []time.Duration{hour, store.Forever, 0} {
			if err := store.Expire(c.ctx, c.s, "nothing", ttl); err != store.ErrNotFound {
				c.Errorf("Expire to %v returned %v", ttl, err)
			}
		}
		c.gone("nothing", "after Expire")
	},
}, {
	name: "Expire/absent",
	full: true,
	says: "Absent entries count as entries for Expire.",
	on:   onExpirer,
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Absent: true, ExpiresAt: store.In(time.Minute)})
		c.get("k")
		c.ok(store.Expire(c.ctx, c.s, "k", hour), "Expire")
		c.ttl("k", hour)
		if !c.get("k").Absent {
			c.Errorf("the entry is not absent any more")
		}
	},
}, {
	name: "Expire/counter",
	says: "Expire, TTL and Exists treat a counter like an entry.",
	on:   []Capability{Expirer, Counter},
	run: func(c *check) {
		c.exists("n", false)
		c.adds("n", 3, 0, 3)
		c.exists("n", true)
		c.ttl("n", store.Forever)
		c.ok(store.Expire(c.ctx, c.s, "n", hour), "Expire")
		c.ttl("n", hour)
		c.adds("n", 1, 0, 4)
		c.ok(store.Expire(c.ctx, c.s, "n", store.Forever), "Expire")
		c.ttl("n", store.Forever)
		c.ok(store.Expire(c.ctx, c.s, "n", 0), "Expire")
		c.exists("n", false)
		c.adds("n", 1, 0, 1)
	},
}}

// ttl fails unless the entry under key has about want left, and no more.
func (c *check) ttl(key string, want time.Duration) {
	c.Helper()
	got, err := store.TTL(c.ctx, c.s, key)
	if err == store.ErrNotFound {
		c.forgot(key)
	}
	// A slow machine may have taken long, so only much too little is wrong.
	if over := got - want; err != nil || over > c.tolerance() || over < -time.Minute/2 {
		c.Errorf("TTL of %s is %v, %v, want %v", show(key), got, err, want)
	}
}

// exists fails unless Exists of key is want.
func (c *check) exists(key string, want bool) {
	c.Helper()
	got, err := store.Exists(c.ctx, c.s, key)
	c.ok(err, "Exists of "+show(key))
	if got != want {
		c.Errorf("Exists of %s is %v, want %v", show(key), got, want)
	}
}
