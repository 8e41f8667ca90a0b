package storetest

import (
	"github.com/lokroom/strata/store"
)

// The rules for reads in other forms hold for the fallbacks of package store too, so they
// run against every store.
var readRules = []rule{{
	name: "View/shows",
	full: true,
	says: "View returns what Get does; of a miss nil, and of an absent entry no error.",
	run: func(c *check) {
		in := store.Entry[Value]{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.Now().Add(-hour), Tags: []string{"t"}}
		c.set("k", in)
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		one := c.get("k")
		e := c.view("k")
		if !e.Value.Equal(in.Value) || e.Version != one.Version || e.Absent {
			c.Errorf("View returned %+v, Get %+v", e, one)
		}
		c.sameFields(*e, in)
		if e := c.view("absent"); !e.Absent {
			c.Errorf("View of an absent entry returned %+v", e)
		}
		if e, err := store.View(c.ctx, c.s, "nothing"); e != nil || err != store.ErrNotFound {
			c.Errorf("View of nothing returned %+v, %v", e, err)
		}
	},
}, {
	name: "View/stays",
	says: "What View has returned stays as it is when the store replaces, expires or forgets the entry.",
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour)})
		e := c.view("k")
		was := *e
		c.set("k", store.Entry[Value]{Value: number(2), ExpiresAt: store.In(2 * hour)})
		if Expirer.of(c.s) {
			c.ok(store.Expire(c.ctx, c.s, "k", 3*hour), "Expire")
		}
		c.delete("k")
		if !e.Value.Equal(was.Value) || e.ExpiresAt != was.ExpiresAt || e.Version != was.Version {
			c.Errorf("View returned %+v, which is now %+v", was, *e)
		}
	},
}}

// view returns the entry under key, which has to be there.
func (c *check) view(key string) *store.Entry[Value] {
	c.Helper()
	e, err := store.View(c.ctx, c.s, key)
	if err == store.ErrNotFound {
		c.forgot(key)
	}
	c.ok(err, "View of "+show(key))
	return e
}
