package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
)

var onWriter = []Capability{Writer}

var holdRules = []rule{{
	name: "BeginWrite/removes",
	full: true,
	says: "BeginWrite removes the entries under its keys and no others, and EndWrite what was kept since.",
	on:   onWriter,
	run: func(c *check) {
		for _, key := range []string{"a", "b", "other"} {
			c.setNumber(key, 1)
		}
		token := c.beginWrite(hour, "a", "b", "nothing")
		c.gone("a", "after BeginWrite")
		c.gone("b", "after BeginWrite")
		c.setNumber("a", 2)
		c.holds("a", 2)
		c.endWrite(token, nil, "a", "b", "nothing")
		c.gone("a", "after EndWrite")
		c.holds("other", 1)
	},
}, {
	name: "BeginWrite/no time",
	full: true,
	says: "BeginWrite for less than a millisecond is ErrRefused, and removes nothing.",
	on:   onWriter,
	run: func(c *check) {
		c.setNumber("k", 1)
		for _, hold := range []time.Duration{0, -hour, time.Microsecond} {
			if _, err := c.writer().BeginWrite(c.ctx, hold, "k"); !errors.Is(err, store.ErrRefused) {
				c.Errorf("BeginWrite for %v returned %v", hold, err)
			}
		}
		c.holds("k", 1)
	},
}, {
	name: "BeginWrite/caps",
	full: true,
	says: "Until EndWrite what is kept under the keys lives no longer than the hold, and no longer than to its soft expiry; afterwards it lives its full life.",
	on:   onWriter,
	run: func(c *check) {
		for n, other := range c.clients() {
			key := fmt.Sprint("k", n)
			c.beginWrite(hour, key)
			c.capped(other, key, hour)
		}
		c.endWrite(c.beginWrite(hour, "k"), nil, "k")
		c.uncapped("k", 0)
	},
}, {
	name: "EndWrite/keeps",
	full: true,
	says: "EndWrite keeps an entry in the place of what it removes if nothing else has written the key.",
	on:   onWriter,
	run: func(c *check) {
		c.setNumber("other", 1)
		token := c.beginWrite(hour, "k", "absent", "expired", "none", "other")
		in := map[string]store.Entry[Value]{
			"k":       {Value: rich(), ExpiresAt: store.In(10 * hour), StaleAt: store.In(5 * hour), Tags: []string{"t"}},
			"absent":  {Absent: true, ExpiresAt: store.In(hour)},
			"expired": {Value: number(1), ExpiresAt: store.Now().Add(-hour)},
		}
		c.endWrite(token, in, "k", "absent", "expired", "none", "other")
		if e := c.get("k"); !e.Value.Equal(in["k"].Value) {
			c.Errorf("got %+v", e)
		}
		c.sameFields(c.get("k"), in["k"])
		if !c.get("absent").Absent {
			c.Errorf("the absent entry is not kept")
		}
		for _, key := range []string{"expired", "none", "other"} {
			c.gone(key, "after EndWrite without an entry for it")
		}
	},
}, {
	name: "EndWrite/another write",
	full: true,
	says: "EndWrite keeps no entry if anything else has written the key since BeginWrite, or begun to, or if the hold is over.",
	on:   onWriter,
	run: func(c *check) {
		e := store.Entry[Value]{Value: number(9), ExpiresAt: store.In(10 * hour)}
		for n, other := range c.clients() {
			w := other.(store.Writer[Value])
			for what, do := range map[string]func(key string) error{
				"Set":           func(key string) error { return other.Set(c.ctx, key, store.Entry[Value]{Value: number(1)}) },
				"Delete":        func(key string) error { return other.Delete(c.ctx, key) },
				"BeginWrite":    func(key string) error { _, err := w.BeginWrite(c.ctx, hour, key); return err },
				"DeleteHolding": func(key string) error { return w.DeleteHolding(c.ctx, store.Hold{For: hour}, key) },
			} {
				key := fmt.Sprint(what, n)
				token := c.beginWrite(hour, key)
				c.ok(do(key), what)
				c.endWrite(token, map[string]store.Entry[Value]{key: e}, key)
				c.gone(key, "after EndWrite, and a "+what+" in between")
				if what == "BeginWrite" || what == "DeleteHolding" {
					c.capped(other, key, hour) // that hold goes on
				}
			}
		}
		for key, token := range map[string]uint64{"other token": c.beginWrite(hour, "other token") + 1, "over": c.beginWrite(50*time.Millisecond, "over")} {
			time.Sleep(100 * time.Millisecond) // the end of a hold cannot be seen
			c.endWrite(token, map[string]store.Entry[Value]{key: e}, key)
			c.gone(key, "after EndWrite: "+key)
		}
	},
}, {
	name: "DeleteHolding/caps",
	full: true,
	says: "After DeleteHolding what is kept lives no longer than the hold, until that is over; a shorter one does not shorten it.",
	on:   onWriter,
	run: func(c *check) {
		c.setNumber("k", 1)
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: hour}, "k"), "DeleteHolding")
		c.gone("k", "after DeleteHolding")
		for _, other := range c.clients() {
			c.capped(other, "k", hour)
		}
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: time.Minute}, "k"), "DeleteHolding")
		c.delete("k")
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(10 * hour)})
		if left := c.get("k").ExpiresAt.Until(); left < hour/2 {
			c.Errorf("the hold was shortened: the entry ends in %v", left)
		}
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: 50 * time.Millisecond}, "short"), "DeleteHolding")
		c.until("the hold is over", func() bool {
			c.set("short", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(10 * hour)})
			e, err := c.s.Get(c.ctx, "short")
			return err == nil && e.ExpiresAt.Until() > hour
		})
	},
}, {
	name: "DeleteHolding/no time",
	full: true,
	says: "DeleteHolding without a time is Delete; for less than that it is ErrRefused, and removes nothing.",
	on:   onWriter,
	run: func(c *check) {
		c.setNumber("k", 1)
		if err := c.writer().DeleteHolding(c.ctx, store.Hold{For: -time.Millisecond}, "k"); !errors.Is(err, store.ErrRefused) {
			c.Errorf("DeleteHolding for a negative time returned %v", err)
		}
		c.holds("k", 1)
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{}, "k"), "DeleteHolding")
		c.gone("k", "after DeleteHolding without a time")
		c.uncapped("k", 0)
	},
}, {
	name: "DeleteHolding/revision",
	full: true,
	says: "After DeleteHolding with a Revision what is kept with that or a newer one lives its full life. Of several holds the highest counts, and none if one has none.",
	on:   onWriter,
	run: func(c *check) {
		older := func(revision uint64) {
			c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: hour, Revision: revision}, "k"), "DeleteHolding")
			c.gone("k", "after DeleteHolding")
		}
		older(5)
		c.uncapped("k", 5)
		c.uncapped("k", 6)
		c.cappedAt(c.s, "k", hour, 4)
		older(1 << 60)
		c.cappedAt(c.s, "k", hour, 1<<60-1)
		c.uncapped("k", 1<<60)
		older(3)
		c.cappedAt(c.s, "k", hour, 1<<60-1)
		c.delete("k")
		c.uncapped("k", 1<<60)
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: time.Minute}, "k"), "DeleteHolding")
		c.cappedAt(c.s, "k", hour, 1<<60)
	},
}, {
	name: "MarkStale/stale",
	full: true,
	says: "MarkStale makes an entry stale, as another version, and revokes its lease; an entry that ends with a hold is removed.",
	on:   onWriter,
	run: func(c *check) {
		for key, e := range map[string]store.Entry[Value]{
			"k":      {Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t"}},
			"hard":   {Value: number(1), ExpiresAt: store.In(hour)},
			"absent": {Absent: true, ExpiresAt: store.In(hour)},
		} {
			c.set(key, e)
			before := c.get(key)
			c.ok(c.writer().MarkStale(c.ctx, "nothing", key), "MarkStale")
			now := c.get(key)
			if !now.Value.Equal(e.Value) || now.Absent != e.Absent || now.Version == before.Version || !now.Stale(store.Now()) || !c.near(now.ExpiresAt, e.ExpiresAt) {
				c.Errorf("after MarkStale of %+v there is %+v", before, now)
			}
			if Leaser.of(c.s) {
				c.granted(key)
			}
		}
		c.ok(c.writer().DeleteHolding(c.ctx, store.Hold{For: hour}, "held"), "DeleteHolding")
		c.setNumber("held", 1)
		c.ok(c.writer().MarkStale(c.ctx, "held"), "MarkStale")
		c.gone("held", "after MarkStale of an entry that ends with a hold")
	},
}}

func (c *check) writer() store.Writer[Value] { return c.s.(store.Writer[Value]) }

func (c *check) beginWrite(hold time.Duration, keys ...string) (token uint64) {
	c.Helper()
	token, err := c.writer().BeginWrite(c.ctx, hold, keys...)
	c.ok(err, "BeginWrite")
	if token == 0 {
		c.Fatalf("the token is zero")
	}
	return token
}

func (c *check) endWrite(token uint64, entries map[string]store.Entry[Value], keys ...string) {
	c.Helper()
	c.ok(c.writer().EndWrite(c.ctx, token, entries, keys...), "EndWrite")
}

// capped fails unless what s keeps under key ends with a hold for d, or with its soft
// expiry, by each way of keeping something.
func (c *check) capped(s store.Store[Value], key string, d time.Duration) {
	c.Helper()
	c.cappedAt(s, key, d, 0)
	if !Leaser.of(s) {
		return
	}
	c.ok(s.Delete(c.ctx, key), "Delete")
	g, err := leaserOf(s).Lease(c.ctx, key, hour, 0)
	if err != nil || g.State != store.Granted {
		c.Fatalf("Lease returned %+v, %v", g, err)
	}
	kept, _, err := leaserOf(s).FillLeased(c.ctx, key, g.Lease, store.Entry[Value]{Value: number(8), ExpiresAt: store.In(10 * hour), Stamp: g.Stamp})
	c.ok(err, "FillLeased")
	c.endsIn("what FillLeased kept", kept, d)
	c.endsIn("the entry", c.get(key), d)
}

// cappedAt is capped for Set of an entry of this revision.
func (c *check) cappedAt(s store.Store[Value], key string, d time.Duration, revision uint64) {
	c.Helper()
	for _, e := range []store.Entry[Value]{
		{Value: number(1)}, {Value: number(2), ExpiresAt: store.In(10 * d)}, {Absent: true, ExpiresAt: store.In(10 * d)},
	} {
		e.Revision = revision
		c.ok(s.Set(c.ctx, key, e), "Set")
		c.endsIn("the entry", c.get(key), d)
	}
	c.ok(s.Set(c.ctx, key, store.Entry[Value]{Value: number(3), ExpiresAt: store.In(10 * d), StaleAt: store.In(d / 4), Revision: revision}), "Set")
	c.endsIn("an entry with a soft expiry", c.get(key), d/4)
}

// endsIn fails unless e ends in d, or in up to a minute less.
func (c *check) endsIn(what string, e store.Entry[Value], d time.Duration) {
	c.Helper()
	if left := e.ExpiresAt.Until(); left > d+c.tolerance() || left < d-time.Minute {
		c.Errorf("%s ends in %v, want %v", what, left, d)
	}
}

// uncapped fails unless what is set under key with this revision lives its full life.
func (c *check) uncapped(key string, revision uint64) {
	c.Helper()
	in := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(10 * hour), StaleAt: store.In(5 * hour), Revision: revision}
	c.set(key, in)
	c.sameFields(c.get(key), in)
}
