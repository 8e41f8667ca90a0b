package storetest

import (
	"errors"
	"math"
	"time"

	"github.com/lokroom/strata/store"
)

var onCounter = []Capability{Counter}

var counterRules = []rule{{
	name: "Add/sum",
	says: "Add adds delta, which may be negative or zero, and returns the sum; a counter that is not there begins at zero.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 5, 0, 5)
		c.adds("n", -8, 0, -3)
		c.adds("n", 0, 0, -3)
		c.adds("n", 3, store.Forever, 0)
		c.adds("other", 0, hour, 0)
		c.adds("n", math.MaxInt64, 0, math.MaxInt64)
		c.adds("n", math.MinInt64, 0, -1)
		c.adds("n", math.MinInt64+1, 0, math.MinInt64)
	},
}, {
	name: "Add/odd keys",
	says: "A counter lives under any key, like an entry.",
	on:   onCounter,
	run: func(c *check) {
		for i, key := range oddKeys() {
			if len(key) <= 1024 {
				c.adds(key, int64(i), 0, int64(i))
			}
		}
		for i, key := range oddKeys() {
			if len(key) <= 1024 {
				c.adds(key, 1, 0, int64(i)+1)
			}
		}
	},
}, {
	name: "Add/concurrent",
	says: "Add is atomic: no delta is lost and no two callers get one sum.",
	on:   onCounter,
	run: func(c *check) {
		const callers, each = 8, 50
		var sums [callers][each]int64
		c.together(callers, func(g int) error {
			for i := range each {
				sum, err := store.Add(c.ctx, c.s, "n", 1, 0)
				if err != nil {
					return err
				}
				sums[g][i] = sum
			}
			return nil
		})
		seen := map[int64]bool{}
		for _, own := range sums {
			for _, sum := range own {
				seen[sum] = true
			}
		}
		if len(seen) != callers*each {
			c.Errorf("%d Adds returned %d different sums", callers*each, len(seen))
		}
		c.adds("n", 0, 0, callers*each)
	},
}, {
	name: "Add/ttl",
	says: "A counter lives for ttl from its first Add on; later calls do not prolong it.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 5, short, 5)
		end := time.Now().Add(short + c.tolerance())
		c.until("the counter begins at zero again", func() bool {
			before := time.Now()
			sum, err := store.Add(c.ctx, c.s, "n", 0, hour)
			c.ok(err, "Add")
			if sum != 0 && before.After(end) {
				c.Errorf("the counter was there %v after its end", before.Sub(end))
			}
			return sum == 0
		})
	},
}, {
	name: "Add/ttl kept",
	says: "A counter that was created with the ttl zero or Forever lives until evicted, whatever ttl a later Add has.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("zero", 1, 0, 1)
		c.adds("forever", 1, store.Forever, 1)
		c.adds("zero", 1, time.Millisecond, 2)
		c.adds("forever", 1, time.Millisecond, 2)
		end := time.Now().Add(10*time.Millisecond + c.tolerance())
		c.until("a moment passes", func() bool { return time.Now().After(end) })
		c.adds("zero", 1, 0, 3)
		c.adds("forever", 1, 0, 3)
	},
}, {
	name: "Add/negative ttl",
	says: "A negative ttl is an error, and changes nothing.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 5, 0, 5)
		for _, key := range []string{"n", "new"} {
			if sum, err := store.Add(c.ctx, c.s, key, 1, -1); err == nil {
				c.Errorf("Add to %s with a negative ttl returned %d", key, sum)
			}
		}
		c.adds("n", 1, 0, 6)
		c.adds("new", 1, 0, 1)
	},
}, {
	name: "Add/overflow",
	says: "A sum that does not fit an int64 is an error and changes nothing.",
	on:   onCounter,
	run: func(c *check) {
		for _, end := range []int64{math.MaxInt64, math.MinInt64} {
			key, step := "up", int64(1)
			if end < 0 {
				key, step = "down", -1
			}
			c.adds(key, end, 0, end)
			for _, delta := range []int64{step, end} {
				if sum, err := store.Add(c.ctx, c.s, key, delta, 0); err == nil {
					c.Errorf("Add of %d to %d returned %d", delta, end, sum)
				}
			}
			c.adds(key, -step, 0, end-step)
		}
	},
}, {
	name: "Add/no entry",
	says: "A counter is no entry: Get does not find it.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 1, 0, 1)
		c.gone("n", "after Add")
		if found := c.getMany("n"); len(found) > 0 {
			c.Errorf("GetMany found %v", found)
		}
		c.adds("n", 1, 0, 2)
	},
}, {
	name: "Add/wrong type",
	says: "Add on an entry is ErrWrongType, and changes nothing.",
	on:   onCounter,
	run: func(c *check) {
		c.set("k", store.Entry[Value]{Value: number(7), ExpiresAt: store.In(hour)})
		c.set("absent", store.Entry[Value]{Absent: true, ExpiresAt: store.In(hour)})
		for _, key := range []string{"k", "absent"} {
			c.get(key)
			if sum, err := store.Add(c.ctx, c.s, key, 1, 0); !errors.Is(err, store.ErrWrongType) {
				c.Errorf("Add on %s returned %d, %v", key, sum, err)
			}
		}
		c.holds("k", 7)
		if !c.get("absent").Absent {
			c.Errorf("the absent entry has changed")
		}
	},
}, {
	name: "Add/set replaces",
	says: "Set replaces a counter.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 1, 0, 1)
		c.setNumber("n", 7)
		c.holds("n", 7)
		c.adds("m", 1, 0, 1)
		c.ok(store.SetMany(c.ctx, c.s, map[string]store.Entry[Value]{"m": {Value: number(8)}}), "SetMany")
		c.holds("m", 8)
		c.adds("gone", 1, 0, 1)
		c.set("gone", store.Entry[Value]{Value: number(9), ExpiresAt: store.Now().Add(-hour)})
		c.adds("gone", 1, 0, 1)
	},
}, {
	name: "Add/delete",
	says: "Delete treats a counter like an entry.",
	on:   onCounter,
	run: func(c *check) {
		c.adds("n", 5, 0, 5)
		c.adds("left", 5, 0, 5)
		c.delete("n")
		c.adds("n", 1, 0, 1)
		c.adds("left", 1, 0, 6)
	},
}, {
	name: "Count/sum",
	says: "Count returns the sum of a counter. If there is none, the error is ErrNotFound, and none is created.",
	on:   onCounter,
	run: func(c *check) {
		c.counts("n", 0, store.ErrNotFound)
		c.counts("n", 0, store.ErrNotFound)
		for _, delta := range []int64{math.MinInt64, 0, math.MaxInt64, 8, -5} {
			_, err := store.Add(c.ctx, c.s, "n", delta, hour)
			c.ok(err, "Add")
		}
		c.counts("n", 2, nil)
		c.adds("n", 0, 0, 2)
		c.delete("n")
		c.counts("n", 0, store.ErrNotFound)
	},
}, {
	name: "Count/wrong type",
	says: "Count of an entry is ErrWrongType.",
	on:   onCounter,
	run: func(c *check) {
		c.setNumber("k", 7)
		c.get("k")
		c.counts("k", 0, store.ErrWrongType)
	},
}}

// counts fails unless Count returns want, or an error that is wantErr.
func (c *check) counts(key string, want int64, wantErr error) {
	c.Helper()
	if sum, err := store.Count(c.ctx, c.s, key); sum != want || !errors.Is(err, wantErr) {
		c.Errorf("Count of %s returned %d, %v, want %d, %v", show(key), sum, err, want, wantErr)
	}
}

// adds fails unless Add of delta returns want.
func (c *check) adds(key string, delta int64, ttl time.Duration, want int64) {
	c.Helper()
	sum, err := store.Add(c.ctx, c.s, key, delta, ttl)
	if err != nil || sum != want {
		c.Errorf("Add of %d to %s returned %d, %v, want %d", delta, show(key), sum, err, want)
	}
}
