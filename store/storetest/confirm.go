package storetest

import (
	"errors"
	"fmt"

	"github.com/lokroom/strata/store"
)

var confirmRules = []rule{{
	name: "Confirm/another life",
	full: true,
	says: "Confirm gives the entry that was read other times, as Replace by the same value would, with a version of its own.",
	on:   []Capability{Watcher, Filler},
	run: func(c *check) {
		l := c.watch()
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.Now().Add(-hour), LoadedAt: store.Now(), Tags: []string{"t", "u"}},
			{Value: number(1), LoadedAt: store.Now()},
			{Absent: true, ExpiresAt: store.In(hour), LoadedAt: store.Now()},
			{Value: number(2), ExpiresAt: store.In(hour)},
		} {
			key := fmt.Sprint("k", n)
			c.set(key, in)
			c.quiet()
			old := c.get(key)
			life := store.Entry[Value]{ExpiresAt: store.In(4 * hour), StaleAt: store.In(2 * hour), LoadedAt: store.Now()}
			e := old
			e.ExpiresAt, e.StaleAt, e.LoadedAt = life.ExpiresAt, life.StaleAt, life.LoadedAt
			before := l.notified(key)
			kept, watched, err := c.filler().Confirm(c.ctx, key, old, e)
			c.ok(err, "Confirm")
			c.quiet()
			if !watched || l.notified(key) > before {
				c.Errorf("Confirm is not watched, or notified to its own watcher")
			}
			now := c.get(key)
			for _, e := range []store.Entry[Value]{kept, now} {
				if !e.Value.Equal(in.Value) || e.Absent != in.Absent {
					c.Errorf("Confirm of %+v: got %+v", in, e)
				}
				in.ExpiresAt, in.StaleAt = life.ExpiresAt, life.StaleAt
				c.sameFields(e, in)
			}
			if kept.Version != now.Version || kept.Version == old.Version {
				c.Errorf("Confirm of version %d returned %d, Get %d", old.Version, kept.Version, now.Version)
			}
		}
	},
}, {
	name: "Confirm/changed",
	full: true,
	says: "Confirm is ErrChanged, and changes nothing, unless the entry is the one that was read and none of its tags was invalidated.",
	on:   []Capability{Watcher, Filler},
	run: func(c *check) {
		for _, other := range c.clients() {
			for _, ch := range changes {
				if ch.on != "" && !ch.on.of(other) || ch.keeps {
					continue
				}
				c.settled("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), LoadedAt: store.Now(), Tags: []string{"t"}})
				old := c.get("k")
				c.ok(ch.do(c, other), ch.name)
				e := old
				e.ExpiresAt = store.In(2 * hour)
				if _, _, err := c.filler().Confirm(c.ctx, "k", old, e); !errors.Is(err, store.ErrChanged) {
					c.Errorf("Confirm after %s returned %v", ch.name, err)
				}
				if now, err := c.s.Get(c.ctx, "k"); err == nil && now.Value.Equal(number(1)) && !now.Stale(store.Now()) {
					c.Errorf("after %s, and a Confirm that was refused, there is %+v", ch.name, now)
				}
			}
		}
	},
}}

var revalidateRules = []rule{{
	name: "Revalidate/same",
	full: true,
	says: "Revalidate returns the entry that was read, with its present expiry, if it is still there.",
	on:   []Capability{Filler},
	run: func(c *check) {
		for n, in := range []store.Entry[Value]{
			{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t"}},
			{Value: number(1)},
			{Absent: true, ExpiresAt: store.In(hour)},
		} {
			key := fmt.Sprint("k", n)
			c.set(key, in)
			e := c.get(key)
			if Expirer.of(c.s) {
				c.ok(store.Expire(c.ctx, c.s, key, 3*hour), "Expire")
				if in.StaleAt != 0 { // it moves along
					in.StaleAt = store.In(3*hour - hour/2)
				}
				in.ExpiresAt = store.In(3 * hour)
			}
			for _, s := range c.clients() {
				now, err := s.(store.Filler[Value]).Revalidate(c.ctx, key, e)
				c.ok(err, "Revalidate")
				if !now.Value.Equal(in.Value) || now.Absent != in.Absent || now.Version != e.Version {
					c.Errorf("Revalidate of %+v returned %+v", e, now)
				}
				c.sameFields(now, in)
			}
		}
	},
}, {
	name: "Revalidate/changed",
	full: true,
	says: "Revalidate is ErrNotFound, bare, if the entry was changed or removed by any client.",
	on:   []Capability{Filler},
	run: func(c *check) {
		for _, other := range c.clients() {
			for _, ch := range changes {
				if ch.on != "" && !ch.on.of(other) || ch.keeps {
					continue
				}
				c.settled("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t"}})
				e := c.get("k")
				c.ok(ch.do(c, other), ch.name)
				if now, err := c.filler().Revalidate(c.ctx, "k", e); err != store.ErrNotFound {
					c.Errorf("Revalidate after %s returned %+v, %v", ch.name, now, err)
				}
			}
		}
	},
}, {
	name: "Revalidate/watched",
	full: true,
	says: "Changes after Revalidate are notified as if the entry had been read.",
	on:   []Capability{Watcher, Filler},
	with: hasPeer,
	run: func(c *check) {
		other := c.peer()
		c.notifiesOf(other, "a peer", func(e store.Entry[Value]) {
			c.ok(other.Set(c.ctx, "k", e), "Set")
			e, err := other.Get(c.ctx, "k")
			c.ok(err, "Get by a peer")
			c.quiet()
			_, err = c.filler().Revalidate(c.ctx, "k", e)
			c.ok(err, "Revalidate")
		})
	},
}}
