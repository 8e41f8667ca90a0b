package storetest

import (
	"fmt"
	"math"
	"sync"

	"github.com/lokroom/strata/store"
)

var hotRules = []rule{{
	name: "SampleHits/share",
	says: "SampleHits calls the function for one hit in every, whichever keys they are of, and of no miss, until stop is called.",
	on:   []Capability{HitSampler},
	run: func(c *check) {
		var mu sync.Mutex
		seen := map[string]int{}
		every, stop := c.s.(store.HitSampler).SampleHits(func(key string) {
			mu.Lock()
			defer mu.Unlock()
			seen[key]++
		})
		const keys, rounds = 8, 100
		for n := range int64(keys) {
			c.setNumber(fmt.Sprint("k", n), n)
		}
		hits := func() (all int) {
			for range rounds * every {
				for n := range keys { // in turn
					c.get(fmt.Sprint("k", n))
				}
				c.gone("nothing", "at first")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, n := range seen {
				all += n
			}
			return all
		}
		if all := hits(); math.Abs(float64(all)/(keys*rounds)-1) > 0.2 {
			c.Errorf("of %d hits it sampled %d, with every %d", keys*rounds*every, all, every)
		}
		for n := range keys {
			if got := seen[fmt.Sprint("k", n)]; got < rounds/4 || got > rounds*4 {
				c.Errorf("of %d hits of k%d it sampled %d, with every %d", rounds*every, n, got, every)
			}
		}
		if n := seen["nothing"]; n > 0 {
			c.Errorf("it sampled a miss %d times", n)
		}
		stop()
		clear(seen)
		if all := hits(); all > 0 {
			c.Errorf("it sampled %d hits after stop", all)
		}
	},
}, {
	name: "AddHot/adds",
	says: "AddHot adds to the reads of a key, and ListHot returns those with the most reads first.",
	on:   []Capability{HotKeeper},
	run: func(c *check) {
		c.listsHot(5)
		odd := string([]byte{0, 0xff, '\n', ' '})
		c.addHot(10, store.Hot{Key: "a", Reads: 2}, store.Hot{Key: "b", Reads: 5}, store.Hot{Key: odd, Reads: 3.5})
		c.listsHot(5, store.Hot{Key: "b", Reads: 5}, store.Hot{Key: odd, Reads: 3.5}, store.Hot{Key: "a", Reads: 2})
		c.addHot(10, store.Hot{Key: "a", Reads: 9}, store.Hot{Key: "c", Reads: 7})
		c.listsHot(3, store.Hot{Key: "a", Reads: 11}, store.Hot{Key: "c", Reads: 7}, store.Hot{Key: "b", Reads: 5})
		c.listsHot(0)
	},
}, {
	name: "AddHot/most",
	says: "AddHot keeps the most keys with the most reads, and refuses to keep less than one.",
	on:   []Capability{HotKeeper},
	run: func(c *check) {
		c.addHot(3, store.Hot{Key: "a", Reads: 1}, store.Hot{Key: "b", Reads: 5}, store.Hot{Key: "c", Reads: 3})
		c.addHot(2, store.Hot{Key: "d", Reads: 4})
		c.listsHot(5, store.Hot{Key: "b", Reads: 5}, store.Hot{Key: "d", Reads: 4})
		if err := store.AddHot(c.ctx, c.s, []store.Hot{{Key: "e", Reads: 1}}, 0); err == nil {
			c.Errorf("AddHot that keeps no key returned no error")
		}
	},
}, {
	name: "AddHot/entries",
	says: "The list has nothing to do with the entries: neither is one an entry, nor does Clear concern it.",
	on:   []Capability{HotKeeper, Clearer},
	run: func(c *check) {
		c.addHot(3, store.Hot{Key: "a", Reads: 1})
		c.gone("a", "AddHot")
		c.ok(store.Clear(c.ctx, c.s), "Clear")
		c.listsHot(5, store.Hot{Key: "a", Reads: 1})
	},
}, {
	name: "AddHot/shared",
	says: "All stores over the same data share the list.",
	on:   []Capability{HotKeeper},
	with: func(h Harness) bool { return h.Peer != nil },
	run: func(c *check) {
		c.addHot(3, store.Hot{Key: "a", Reads: 1})
		c.ok(store.AddHot(c.ctx, c.peer(), []store.Hot{{Key: "a", Reads: 2}, {Key: "b", Reads: 1}}, 3), "AddHot elsewhere")
		c.listsHot(5, store.Hot{Key: "a", Reads: 3}, store.Hot{Key: "b", Reads: 1})
	},
}}

func (c *check) addHot(most int, hot ...store.Hot) {
	c.Helper()
	c.ok(store.AddHot(c.ctx, c.s, hot, most), "AddHot")
}

// listsHot fails unless the first n of the list are these. They fade while the rule
// runs, but not by a tenth.
func (c *check) listsHot(n int, want ...store.Hot) {
	c.Helper()
	got, err := store.ListHot(c.ctx, c.s, n)
	c.ok(err, "ListHot")
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i].Key == want[i].Key && math.Abs(got[i].Reads/want[i].Reads-1) < 0.1
	}
	if !same {
		c.Errorf("ListHot of %d returned %v, want %v", n, got, want)
	}
}
