package storetest

import (
	"fmt"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// patterns are tried over the odd keys and a few plain ones. Ranges have both
// ends on one side of 0x80, see keys.Match.
var patterns = []string{
	"", "*", "?", "??", "*a", "a*", "*a*", "a?b", "*:*", "[a-c]", "[c-a]", "[^a]", "[^a-z]*", "[ab]*",
	`\*`, `\\`, `\\*`, `[\]]`, `[*]`, `[?]*`, "[[]*", "[", "[^", "[abc", "[]", "[^]", "[a-]", "[!a]",
	"*[\x80-\xff]*", "*\x00*", "*\n*", "*\r\n*", "é", "*{*", "*}*", "{a}*", "*%*", "nothing", "*nothing*",
}

var patternRules = []rule{{
	name: "DeletePattern/grammar",
	says: "DeletePattern removes the entries under keys that match as keys.Match says, and returns how many there were.",
	on:   []Capability{PatternDeleter},
	run: func(c *check) {
		var all []string
		for _, key := range append(oddKeys(), "ab", "axb", "b", "c", "]", "^a", "|", "_", "`", "!") {
			if len(key) <= 1024 {
				all = append(all, key)
			}
		}
		held := map[string]bool{}
		for _, pattern := range patterns {
			want := 0
			for n, key := range all {
				if !held[key] {
					c.setNumber(key, int64(n))
					held[key] = true
				}
				if keys.Match(pattern, key) {
					want++
				}
			}
			n, err := store.DeletePattern(c.ctx, c.s, pattern)
			c.ok(err, fmt.Sprintf("DeletePattern of %q", pattern))
			c.counted(pattern, n, want)
			found := c.getMany(all...)
			for _, key := range all {
				_, there := found[key]
				switch match := keys.Match(pattern, key); {
				case there && match:
					c.Errorf("pattern %q left %s", pattern, show(key))
				case !there && !match && !c.h.Lossy:
					c.forgot(key)
				}
				held[key] = there
			}
		}
	},
}, {
	name: "DeletePattern/many",
	says: "DeletePattern removes all of many matching entries and no others.",
	on:   []Capability{PatternDeleter},
	run: func(c *check) {
		const each = 1500 // more than one page of a cursor
		entries := map[string]store.Entry[Value]{}
		var gone, left []string
		for n := range int64(each) {
			gone = append(gone, fmt.Sprintf("gone:%d", n))
			left = append(left, fmt.Sprintf("left:%d", n))
			entries[gone[n]] = store.Entry[Value]{Value: number(n)}
			entries[left[n]] = store.Entry[Value]{Value: number(n)}
		}
		c.ok(store.SetMany(c.ctx, c.s, entries), "SetMany")
		n, err := store.DeletePattern(c.ctx, c.s, "gone:*")
		c.ok(err, "DeletePattern")
		c.counted("gone:*", n, each)
		if found := c.getMany(gone...); len(found) > 0 {
			c.Errorf("%d of %d entries were left", len(found), each)
		}
		if found := c.getMany(left...); len(found) < each && !c.h.Lossy {
			c.Errorf("%d of %d entries that do not match were removed", each-len(found), each)
		}
	},
}, {
	name: "DeletePattern/counters",
	says: "DeletePattern removes counters too.",
	on:   []Capability{PatternDeleter, Counter},
	run: func(c *check) {
		c.adds("n:1", 5, 0, 5)
		c.adds("m:1", 5, 0, 5)
		n, err := store.DeletePattern(c.ctx, c.s, "n:*")
		c.ok(err, "DeletePattern")
		c.counted("n:*", n, 1)
		c.adds("n:1", 1, 0, 1)
		c.adds("m:1", 1, 0, 6)
	},
}}

// counted fails unless DeletePattern returned the right number.
func (c *check) counted(pattern string, got, want int) {
	c.Helper()
	if got != want && !(c.h.Lossy && got < want) {
		c.Errorf("DeletePattern of %q returned %d, want %d", pattern, got, want)
	}
}

var clearRules = []rule{{
	name: "Clear/all",
	says: "Clear removes every entry that was set before it was called.",
	on:   []Capability{Clearer},
	run: func(c *check) {
		for n := range int64(200) {
			c.set(fmt.Sprint("k", n), store.Entry[Value]{Value: number(n), Absent: n%2 == 0})
		}
		c.ok(store.Clear(c.ctx, c.s), "Clear")
		for n := range 200 {
			c.gone(fmt.Sprint("k", n), "after Clear")
		}
	},
}, {
	name: "Clear/again",
	says: "What is set after Clear is kept, until the next Clear.",
	on:   []Capability{Clearer},
	run: func(c *check) {
		c.ok(store.Clear(c.ctx, c.s), "Clear of an empty store")
		for n := range int64(3) {
			c.setNumber("k", n)
			c.holds("k", n)
			c.ok(store.Clear(c.ctx, c.s), "Clear")
			c.gone("k", "after Clear")
		}
		c.setNumber("k", 1)
		c.holds("k", 1)
	},
}}

var tagRules = []rule{{
	name: "InvalidateTags/tagged",
	says: "InvalidateTags makes every entry unusable that carries one of the tags, and no other.",
	on:   []Capability{invalidates},
	run: func(c *check) {
		carry := map[string][]string{
			"a": {"a"}, "b": {"b"}, "ab": {"a", "b"}, "ba": {"b", "a"}, "c": {"c"}, "abc": {"c", "b", "a"},
			"none": nil, "A": {"A"}, "a:": {"a:"}, "empty": {""}, "odd": {"\x00*{a}\r\n\xff"},
		}
		for n, tags := range [][]string{
			{}, {"nothing"}, {"a"}, {"b"}, {"a", "c"}, {"a", "nothing"}, {""}, {"\x00*{a}\r\n\xff"}, {"*"},
		} {
			for key, t := range carry {
				c.set(key, store.Entry[Value]{Value: number(int64(n)), Tags: t})
			}
			c.ok(c.s.(invalidator).InvalidateTags(c.ctx, tags...), "InvalidateTags")
			for key, t := range carry {
				if !overlap(t, tags) {
					c.holds(key, int64(n))
					continue
				}
				c.gone(key, fmt.Sprintf("after InvalidateTags of %q", tags))
				if found := c.getMany(key); len(found) > 0 {
					c.Errorf("after InvalidateTags of %q GetMany found %v", tags, found)
				}
			}
		}
	},
}, {
	name: "InvalidateTags/before",
	says: "InvalidateTags concerns entries that were set before the call; one that is set afterwards is kept.",
	on:   []Capability{invalidates},
	run: func(c *check) {
		for n := range int64(20) {
			c.set("k", store.Entry[Value]{Value: number(n), Tags: []string{"t", fmt.Sprint(n)}})
			c.holds("k", n)
			c.ok(c.s.(invalidator).InvalidateTags(c.ctx, "t"), "InvalidateTags")
			c.gone("k", "after InvalidateTags")
		}
		c.set("k", store.Entry[Value]{Value: number(1), Tags: []string{"t"}})
		c.holds("k", 1)
	},
}, {
	name: "InvalidateTags/replaced",
	says: "The tags of an entry are those of the last Set.",
	on:   []Capability{invalidates},
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: number(1), Tags: []string{"old"}})
		c.set("k", store.Entry[Value]{Value: number(2), Tags: []string{"new"}})
		c.ok(c.s.(invalidator).InvalidateTags(c.ctx, "old"), "InvalidateTags")
		c.holds("k", 2)
		c.ok(c.s.(invalidator).InvalidateTags(c.ctx, "new"), "InvalidateTags")
		c.gone("k", "after InvalidateTags")
	},
}, {
	name: "InvalidateTags/absent",
	says: "An absent entry that carries a tag is invalidated like any other.",
	on:   []Capability{invalidates},
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour), Tags: []string{"t"}})
		c.ok(c.s.(invalidator).InvalidateTags(c.ctx, "t"), "InvalidateTags")
		c.gone("k", "after InvalidateTags")
	},
}}

func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}
