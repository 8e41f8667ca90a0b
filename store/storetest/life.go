package storetest

import (
	"time"

	"github.com/lokroom/strata/store"
)

const (
	hour  = time.Hour
	short = 60 * time.Millisecond // a life that a test can wait out
)

var lifeRules = []rule{{
	name: "Expiry/expires",
	says: "An entry is never returned after its ExpiresAt.",
	run: func(c *check) {
		e := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(short)}
		c.set("value", e)
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: e.ExpiresAt})
		c.lives("value", e.ExpiresAt)
		c.expires("value", e.ExpiresAt)
		c.expires("absent", e.ExpiresAt)
		c.gone("value", "after its expiry")
		c.gone("absent", "after its expiry")
		c.setNumber("value", 2)
		c.holds("value", 2)
	},
}, {
	name: "Expiry/set expired",
	says: "Set of an entry that has already expired removes what is there.",
	run: func(c *check) {
		for _, at := range []store.Time{store.Now().Add(-hour), store.Now().Add(-time.Second), 1, -1} {
			c.setNumber("k", 1)
			c.set("k", store.Entry[Value]{Value: number(2), ExpiresAt: at})
			c.gone("k", "after Set of an entry that expired at "+at.String())
			c.set("new", store.Entry[Value]{Value: number(2), ExpiresAt: at})
			c.gone("new", "after Set of an entry that expired at "+at.String())
		}
	},
}, {
	name: "Expiry/shortened and prolonged",
	says: "The expiry of an entry is that of the last Set.",
	run: func(c *check) {
		c.set("longer", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(short)})
		c.set("longer", store.Entry[Value]{Value: number(2), ExpiresAt: store.In(hour)})
		c.set("for ever", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(short)})
		c.setNumber("for ever", 2)
		e := store.Entry[Value]{Value: number(2), ExpiresAt: store.In(short)}
		c.setNumber("shorter", 1)
		c.set("shorter", e)
		c.expires("shorter", e.ExpiresAt)
		c.holds("longer", 2)
		c.holds("for ever", 2)
	},
}, {
	name: "Expiry/stale",
	full: true,
	says: "An entry is returned after its StaleAt: the caller decides.",
	run: func(c *check) {
		in := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.Now().Add(-time.Minute)}
		c.set("k", in)
		c.set("for ever", store.Entry[Value]{Value: number(2), StaleAt: in.StaleAt})
		c.holds("k", 1)
		c.holds("for ever", 2)
		if e := c.get("k"); !e.Stale(store.Now()) {
			c.Errorf("the entry does not say that it is stale: StaleAt is %v", e.StaleAt)
		}
		soon := store.In(short / 2)
		c.set("soon", store.Entry[Value]{Value: number(3), ExpiresAt: store.In(hour), StaleAt: soon})
		c.until("the moment comes", func() bool { return store.Now() >= soon })
		c.holds("soon", 3)
	},
}}

// lives reports whether key holds an entry, and fails if it is returned after at,
// or is gone before.
func (c *check) lives(key string, at store.Time) bool {
	c.Helper()
	before := store.Now()
	e, err := c.s.Get(c.ctx, key)
	after := store.Now()
	found := err == nil || e.Absent
	switch {
	case err != e.MissError() && err != store.ErrNotFound:
		c.Fatalf("Get of %s failed: %v", show(key), err)
	case found && before.Sub(at) >= c.tolerance():
		c.Errorf("%s was returned %v after its expiry", show(key), before.Sub(at))
	case !found && at.Sub(after) > c.tolerance():
		c.forgot(key)
	}
	return found
}

// expires waits until key, which expires at at, is gone, and until no operation
// may find it any more, however it counts the time.
func (c *check) expires(key string, at store.Time) {
	c.Helper()
	c.until("the entry expires", func() bool { return !c.lives(key, at) })
	c.until("its expiry is certain", func() bool { return store.Now().Sub(at) >= c.tolerance() })
}
