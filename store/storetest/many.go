package storetest

import (
	"fmt"
	"slices"

	"github.com/lokroom/strata/store"
)

// The rules for many keys hold for the fallbacks of package store too, so they
// run against every store.
var manyRules = []rule{{
	name: "GetMany/partial",
	says: "GetMany returns the entries that are there; and nothing for a key without an entry.",
	run: func(c *check) {
		c.setNumber("a", 1)
		c.setNumber("b", 2)
		found := c.getMany("a", "nothing", "b", "a")
		if len(found) > 2 {
			c.Errorf("GetMany of 2 entries returned %d: %v", len(found), found)
		}
		for key, n := range map[string]int64{"a": 1, "b": 2} {
			e, ok := found[key]
			if !ok {
				c.forgot(key)
			}
			if !e.Value.Equal(number(n)) {
				c.Errorf("%s is %v", key, e.Value)
			}
		}
	},
}, {
	name: "GetMany/fields",
	full: true,
	says: "GetMany returns entries as Get does.",
	run: func(c *check) {
		in := store.Entry[Value]{
			Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.Now().Add(-hour), Tags: []string{"t"},
		}
		c.set("k", in)
		one := c.get("k")
		e, ok := c.getMany("k")["k"]
		if !ok {
			c.forgot("k")
		}
		if !e.Value.Equal(in.Value) || e.Version != one.Version || e.Absent {
			c.Errorf("GetMany returned %+v, Get %+v", e, one)
		}
		c.sameFields(e, in)
	},
}, {
	name: "GetMany/absent",
	full: true,
	says: "GetMany returns an absent entry, with Absent set.",
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		e, ok := c.getMany("k", "nothing")["k"]
		if !ok && c.h.Lossy {
			c.forgot("k")
		}
		if !ok || !e.Absent || !e.Value.Equal(Value{}) {
			c.Errorf("got %+v, found: %v", e, ok)
		}
	},
}, {
	name: "GetMany/expired",
	says: "GetMany does not return an entry after its ExpiresAt.",
	run: func(c *check) {
		e := store.Entry[Value]{Value: number(1), ExpiresAt: store.In(short)}
		c.set("k", e)
		c.expires("k", e.ExpiresAt)
		if found := c.getMany("k"); len(found) > 0 {
			c.Errorf("got %v", found)
		}
	},
}, {
	name: "GetMany/none",
	says: "GetMany of no keys returns no entries, and of keys that are not there nil in their places.",
	run: func(c *check) {
		for _, keys := range [][]string{nil, {}, {"nothing"}, {"nothing", "nothing else"}} {
			found, err := store.GetMany(c.ctx, c.s, keys)
			c.ok(err, "GetMany")
			if len(found) != len(keys) || slices.ContainsFunc(found, func(e *store.Entry[Value]) bool { return e != nil }) {
				c.Errorf("GetMany of %q returned %v", keys, found)
			}
		}
	},
}, {
	name: "GetMany/thousand",
	says: "SetMany and GetMany take as many keys as there are.",
	run: func(c *check) {
		const n = 1000
		entries := make(map[string]store.Entry[Value], n)
		var keys []string
		for i := range int64(n) {
			key := fmt.Sprintf("many:{%d}:%d", i%7, i)
			keys = append(keys, key)
			entries[key] = store.Entry[Value]{Value: number(i)}
		}
		c.ok(store.SetMany(c.ctx, c.s, entries), "SetMany")
		found := c.getMany(keys...)
		for i, key := range keys {
			e, ok := found[key]
			if !ok && !c.h.Lossy {
				c.Fatalf("%s is missing, one of %d", key, n-len(found))
			}
			if ok && !e.Value.Equal(number(int64(i))) {
				c.Errorf("%s is %v", key, e.Value)
			}
		}
	},
}, {
	name: "GetMany/odd keys",
	says: "GetMany and SetMany take arbitrary keys.",
	run: func(c *check) {
		entries := map[string]store.Entry[Value]{}
		var keys []string
		for n, key := range oddKeys() {
			if len(key) > 1024 {
				continue // may be refused; the rule Keys/odd has them
			}
			keys = append(keys, key)
			entries[key] = store.Entry[Value]{Value: number(int64(n))}
		}
		c.ok(store.SetMany(c.ctx, c.s, entries), "SetMany")
		found := c.getMany(keys...)
		for _, key := range keys {
			e, ok := found[key]
			if !ok {
				c.forgot(key)
			}
			if !e.Value.Equal(entries[key].Value) {
				c.Errorf("%s is %v, want %v", show(key), e.Value, entries[key].Value)
			}
		}
	},
}, {
	name: "GetMany/places",
	says: "GetMany returns each entry in the place of its key, as often as its key is given, and nil where there is none.",
	full: true,
	run: func(c *check) {
		c.setNumber("a", 1)
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		keys := []string{"nothing", "a", "absent", "a"}
		got, err := store.GetMany(c.ctx, c.s, keys)
		c.ok(err, "GetMany")
		if len(got) != len(keys) || got[0] != nil {
			c.Fatalf("GetMany of %q returned %v", keys, got)
		}
		for i, key := range keys[1:] {
			want, _ := c.s.Get(c.ctx, key)
			if e := got[1+i]; e == nil && c.h.Lossy {
				c.forgot(key)
			} else if e == nil || !e.Value.Equal(want.Value) || e.Absent != want.Absent || e.Version != want.Version {
				c.Errorf("%s is %+v, want %+v", key, e, want)
			}
		}
	},
}, {
	name: "SetMany/sets",
	full: true,
	says: "SetMany sets every entry as Set does.",
	run: func(c *check) {
		c.setNumber("expired", 1)
		c.setNumber("replaced", 1)
		in := map[string]store.Entry[Value]{
			"replaced": {Value: number(2)},
			"fields":   {Value: number(3), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"a", "b"}},
			"absent":   {Absent: true, ExpiresAt: store.In(hour)},
			"expired":  {Value: number(4), ExpiresAt: store.Now().Add(-hour)},
		}
		c.ok(store.SetMany(c.ctx, c.s, in), "SetMany")
		c.holds("replaced", 2)
		c.holds("fields", 3)
		c.sameFields(c.get("fields"), in["fields"])
		if !c.get("absent").Absent {
			c.Errorf("the absent entry is a value")
		}
		c.gone("expired", "after SetMany with an entry that has expired")
	},
}, {
	name: "SetMany/none",
	says: "SetMany of no entries does nothing.",
	run: func(c *check) {
		c.setNumber("k", 1)
		c.ok(store.SetMany(c.ctx, c.s, nil), "SetMany of nil")
		c.ok(store.SetMany(c.ctx, c.s, map[string]store.Entry[Value]{}), "SetMany of an empty map")
		c.holds("k", 1)
	},
}}

func (c *check) getMany(keys ...string) map[string]store.Entry[Value] {
	c.Helper()
	found, err := store.GetMap(c.ctx, c.s, keys)
	c.ok(err, "GetMany")
	return found
}
