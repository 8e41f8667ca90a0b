package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
)

var basicRules = []rule{{
	name: "Get/miss",
	says: "A miss is ErrNotFound, bare, and the zero Entry.",
	run: func(c *check) {
		c.gone("nothing", "before any Set")
		if e, _ := c.s.Get(c.ctx, "nothing"); !e.Value.Equal(Value{}) || e.ExpiresAt != 0 || e.Tags != nil {
			c.Errorf("the miss came with the entry %+v", e)
		}
	},
}, {
	name: "Set/get",
	says: "What was set is returned, all of it.",
	run: func(c *check) {
		for _, v := range []Value{rich(), {}, number(1)} {
			c.set("k", store.Entry[Value]{Value: v})
			if e := c.get("k"); !e.Value.Equal(v) || e.Absent {
				c.Errorf("got %+v (absent: %v), want %+v", e.Value, e.Absent, v)
			}
		}
	},
}, {
	name: "Set/large",
	says: "A large value is kept like any other.",
	run: func(c *check) {
		n := c.h.MaxValue
		if n == 0 {
			n = 1 << 20
		}
		v := large(n - n/16) // leaves room for what a codec adds
		c.set("k", store.Entry[Value]{Value: v})
		if e := c.get("k"); !e.Value.Equal(v) {
			c.Errorf("a value of %d bytes came back as another, of %d", len(v.Bytes), len(e.Value.Bytes))
		}
	},
}, {
	name: "Set/too large",
	says: "A value that exceeds the limit of the store is refused with ErrTooLarge, and nothing is changed but that an older entry may be gone.",
	with: func(h Harness) bool { return h.TooLarge > 0 },
	run: func(c *check) {
		c.setNumber("k", 1)
		c.setNumber("other", 2)
		err := c.s.Set(c.ctx, "k", store.Entry[Value]{Value: large(c.h.TooLarge)})
		if !errors.Is(err, store.ErrTooLarge) {
			c.Errorf("Set returned %v, want ErrTooLarge", err)
		}
		if e, err := c.s.Get(c.ctx, "k"); err == nil && !e.Value.Equal(number(1)) {
			c.Errorf("after the refusal the key holds %v", e.Value)
		}
		c.holds("other", 2)
	},
}, {
	name: "Set/replaces",
	full: true,
	says: "Set keeps an entry in place of what was there, all of it.",
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: rich(), ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t"}})
		c.set("other", store.Entry[Value]{Value: number(2)})
		c.setNumber("k", 1)
		c.holds("k", 1)
		if e := c.get("k"); e.ExpiresAt != 0 || e.StaleAt != 0 || len(e.Tags) != 0 {
			c.Errorf("the replaced entry shows through: %+v", e)
		}
		c.set("k", store.Entry[Value]{Absent: true})
		if !c.get("k").Absent {
			c.Errorf("an absent entry did not replace a value")
		}
		c.setNumber("k", 3)
		c.holds("k", 3)
		c.holds("other", 2)
	},
}, {
	name: "Set/absent",
	full: true,
	says: "An entry known to be absent at the source is returned with Absent set and the zero value, together with ErrNotFound, bare.",
	run: func(c *check) {
		in := store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour), StaleAt: store.In(hour / 2), Tags: []string{"t"}}
		c.set("k", in)
		e, err := c.s.Get(c.ctx, "k")
		if err == store.ErrNotFound && !e.Absent && c.h.Lossy {
			c.forgot("k")
		}
		if err != store.ErrNotFound || !e.Absent {
			c.Fatalf("got the error %v with Absent %v", err, e.Absent)
		}
		if !e.Value.Equal(Value{}) {
			c.Errorf("the absent entry has the value %v", e.Value)
		}
		c.sameFields(e, in)
	},
}, {
	name: "Set/fields",
	full: true,
	says: "An entry comes back with its expiry times and its tags.",
	run: func(c *check) {
		now := store.Now()
		for i, in := range []store.Entry[Value]{
			{},
			{ExpiresAt: now.Add(hour)},
			{ExpiresAt: now.Add(hour), StaleAt: now.Add(hour / 2)},
			{ExpiresAt: now.Add(hour), StaleAt: now.Add(-hour)},
			{StaleAt: now.Add(hour)},
			{ExpiresAt: now.Add(100 * 365 * 24 * hour)},
			{Tags: []string{"one"}},
			{ExpiresAt: now.Add(hour), Tags: []string{"one", "city:paris", "", "spaced {out}*", "\x00\xff"}},
		} {
			key := fmt.Sprint("k", i)
			in.Value = number(int64(i))
			c.set(key, in)
			c.holds(key, int64(i))
			c.sameFields(c.get(key), in)
		}
	},
}, {
	name: "Set/stale past expiry",
	says: "An entry with a StaleAt past its ExpiresAt is fresh until ExpiresAt.",
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), StaleAt: store.In(2 * hour)})
		if e := c.get("k"); e.Stale(store.Now().Add(hour / 2)) {
			c.Errorf("it is stale at %v and expires at %v", e.StaleAt, e.ExpiresAt)
		}
	},
}, {
	name: "Set/loaded at",
	says: "LoadedAt comes back as it was set, or is zero where the store does not keep it.",
	run: func(c *check) {
		at := store.Now().Add(-hour)
		c.set("k", store.Entry[Value]{Value: number(1), LoadedAt: at})
		switch e := c.get("k"); {
		case e.LoadedAt == 0 && c.h.KeepsLoadedAt:
			c.Errorf("LoadedAt is zero")
		case e.LoadedAt != 0 && e.LoadedAt.Sub(at).Abs() > c.tolerance():
			c.Errorf("LoadedAt is %v, want %v", e.LoadedAt, at)
		}
	},
}, {
	name: "Set/load time",
	says: "LoadTime comes back as it was set, or rounded up to a millisecond, and of more than a minute a minute at least; or it is zero where the store does not keep it.",
	run: func(c *check) {
		for _, took := range []time.Duration{0, 1, time.Millisecond, 1500 * time.Microsecond, time.Minute, hour} {
			c.set("k", store.Entry[Value]{Value: number(1), LoadTime: took})
			got := c.get("k").LoadTime
			switch {
			case got == 0 && (took == 0 || !c.h.KeepsLoadedAt):
			case got < min(took, time.Minute) || got-took >= time.Millisecond || took == 0:
				c.Errorf("LoadTime is %v, want %v", got, took)
			}
		}
	},
}, {
	name: "Set/version",
	says: "Version identifies the write that produced the copy: it is the same at every Get and another after every Set, or always zero.",
	run: func(c *check) {
		seen := map[uint64]bool{}
		for n := range int64(20) {
			c.setNumber("k", n%2)
			first, second := c.get("k").Version, c.get("k").Version
			if first != second {
				c.Errorf("two Gets of one write returned the versions %d and %d", first, second)
			}
			if first != 0 && seen[first] {
				c.Errorf("two writes have the version %d", first)
			}
			seen[first] = true
		}
		if len(seen) > 1 && seen[0] {
			c.Errorf("some writes have a version and some do not")
		}
	},
}, {
	name: "Delete/one",
	says: "Delete removes the entries under keys and no others.",
	run: func(c *check) {
		c.setNumber("a", 1)
		c.setNumber("b", 2)
		c.delete("a")
		c.gone("a", "after Delete")
		c.holds("b", 2)
	},
}, {
	name: "Delete/several",
	says: "Delete removes the entries under all of the keys.",
	run: func(c *check) {
		var keys []string
		for n := range int64(100) {
			key := fmt.Sprintf("several:%d", n)
			c.setNumber(key, n)
			keys = append(keys, key)
		}
		c.setNumber("left", 7)
		c.delete(slices.Concat(keys, keys[:1])...) // one of them twice
		for _, key := range keys {
			c.gone(key, "after Delete")
		}
		c.holds("left", 7)
	},
}, {
	name: "Delete/missing",
	says: "Keys that are not there, or none at all, are no error to Delete.",
	run: func(c *check) {
		c.setNumber("a", 1)
		c.ok(c.s.Delete(c.ctx), "Delete of no keys")
		c.ok(c.s.Delete(c.ctx, "nothing"), "Delete of a key that is not there")
		c.holds("a", 1)
		c.ok(c.s.Delete(c.ctx, "nothing", "a"), "Delete of a key that is there and one that is not")
		c.gone("a", "after Delete")
		c.setNumber("a", 2)
		c.holds("a", 2)
	},
}}

// sameFields fails unless got has the expiry times and the tags of want.
func (c *check) sameFields(got, want store.Entry[Value]) {
	c.Helper()
	if !c.near(got.ExpiresAt, want.ExpiresAt) {
		c.Errorf("ExpiresAt is %v, want %v", got.ExpiresAt, want.ExpiresAt)
	}
	if !c.near(got.StaleAt, want.StaleAt) {
		c.Errorf("StaleAt is %v, want %v", got.StaleAt, want.StaleAt)
	}
	if !slices.Equal(sorted(got.Tags), sorted(want.Tags)) {
		c.Errorf("Tags are %q, want %q", got.Tags, want.Tags)
	}
}

func sorted(tags []string) []string {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	return tags
}

// oddKeys are keys that a careless store mistakes for one another, or stumbles over.
func oddKeys() []string {
	long := strings.Repeat("0123456789abcdef", 256) // 4 KiB
	return []string{
		"", " ", "  ", "\x00", "\x00\x00", "a\x00", "a\x00b", "a", "A", "a ", " a",
		"\r\n", "a\r\nb", "a\nb", "\t", "$5\r\nhello\r\n",
		"é", "e\u0301", "☃", "日本語", "\xff", "\xff\xfe", "\xc3", "\xed\xa0\x80", "\u00a0",
		"*", "?", "[a]", "[^a]", `\`, `\*`, `\\`, "a*", "^", "-",
		"{", "}", "{}", "{a}", "{a}b", "{b}a", "a{b", "a:b", "a:", ":a", ":", "a::b", "%", "%3A", "%00", "~",
		"/", "../a", ".", "-1", "0", "00", "nil", "null", `"a"`, "'a'",
		long, long + "x", "x" + long,
	}
}

var keyRules = []rule{{
	name: "Keys/odd",
	says: "Keys are arbitrary bytes, the empty string included; a store may refuse those that are too long with ErrTooLarge.",
	run: func(c *check) {
		keys := oddKeys()
		refused := map[string]bool{}
		for n, key := range keys {
			err := c.s.Set(c.ctx, key, store.Entry[Value]{Value: number(int64(n))})
			if len(key) > 1024 && errors.Is(err, store.ErrTooLarge) {
				refused[key] = true
				continue
			}
			c.ok(err, "Set of "+show(key))
		}
		for n, key := range keys {
			if !refused[key] {
				c.holds(key, int64(n))
			}
		}
		// Delete every other key: the rest must not notice.
		for n, key := range keys {
			if n%2 == 0 && !refused[key] {
				c.delete(key)
			}
		}
		for n, key := range keys {
			switch {
			case refused[key]:
			case n%2 == 0:
				c.gone(key, "after Delete")
			default:
				c.holds(key, int64(n))
			}
		}
	},
}}
