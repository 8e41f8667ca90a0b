package storetest_test

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

var expireFaults = []fault{
	{"no expiry is -1", []string{"TTL/left", "Expire/forever", "Expire/counter"}, func(b *bent) {
		b.ttl = func(key string) (time.Duration, error) {
			ttl, err := b.memory.TTL(bg, key)
			if ttl == store.Forever {
				ttl = -1
			}
			return ttl, err
		}
	}},
	{"TTL of nothing is zero", []string{"TTL/missing"}, func(b *bent) {
		b.ttl = func(key string) (time.Duration, error) {
			ttl, err := b.memory.TTL(bg, key)
			if err == store.ErrNotFound {
				return 0, nil
			}
			return ttl, err
		}
	}},
	{"an absent entry exists", []string{"Exists/value"}, func(b *bent) {
		b.exists = func(key string) (bool, error) {
			e, err := b.memory.Get(bg, key)
			return err == nil || e.Absent, nil
		}
	}},
	{"Expire does nothing", []string{"Expire/sets", "Expire/expires", "Expire/forever", "Expire/removes", "Expire/missing", "Expire/absent", "Expire/counter"},
		func(b *bent) { b.expire = func(string, time.Duration) error { return nil } }},
	{"Expire loses the tags", []string{"Expire/sets"}, rewrite(func(e *entry, at store.Time) { e.ExpiresAt, e.Tags = at, nil })},
	{"Expire leaves the soft expiry", []string{"Expire/soft"}, rewrite(func(e *entry, at store.Time) { e.ExpiresAt = at })},
	{"Expire knows no absent entries", []string{"Expire/absent"}, func(b *bent) {
		b.expire = func(key string, ttl time.Duration) error {
			if e, _ := b.memory.Get(bg, key); e.Absent {
				return store.ErrNotFound
			}
			return b.memory.Expire(bg, key, ttl)
		}
	}},
	{"Expire makes an entry", []string{"Expire/missing"}, rewrite(func(e *entry, at store.Time) { e.ExpiresAt = at })},
	{"Expire to zero removes the expiry", []string{"Expire/removes"}, func(b *bent) {
		b.expire = func(key string, ttl time.Duration) error {
			if ttl <= 0 {
				ttl = store.Forever
			}
			return b.memory.Expire(bg, key, ttl)
		}
	}},
	{"Expire to Forever removes the entry", []string{"Expire/forever"}, func(b *bent) {
		b.expire = func(key string, ttl time.Duration) error {
			if ttl == store.Forever {
				ttl = 0
			}
			return b.memory.Expire(bg, key, ttl)
		}
	}},
}

// rewrite bends Expire to read, change and write back.
func rewrite(do func(e *entry, at store.Time)) func(b *bent) {
	return func(b *bent) {
		b.expire = func(key string, ttl time.Duration) error {
			e, _ := b.memory.Get(bg, key)
			do(&e, store.In(ttl))
			return b.memory.Set(bg, key, e)
		}
	}
}

var counterFaults = []fault{
	{"Add only counts up", []string{"Add/sum"}, adding(func(delta *int64, _ *time.Duration) { *delta = max(*delta, -*delta) })},
	{"Add is not atomic", []string{"Add/concurrent"}, func(b *bent) {
		var mu sync.Mutex
		sums := map[string]int64{}
		b.add = func(key string, delta int64, _ time.Duration) (int64, error) {
			mu.Lock()
			sum := sums[key]
			mu.Unlock()
			runtime.Gosched()
			time.Sleep(time.Microsecond)
			mu.Lock()
			defer mu.Unlock()
			sums[key] = sum + delta
			return sums[key], nil
		}
	}},
	{"every Add prolongs", []string{"Add/ttl", "Add/ttl kept"}, func(b *bent) {
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			sum, err := b.memory.Add(bg, key, delta, ttl)
			if err == nil && ttl > 0 {
				err = b.memory.Expire(bg, key, ttl)
			}
			return sum, err
		}
	}},
	{"the ttl is ignored", []string{"Add/ttl"}, adding(func(_ *int64, ttl *time.Duration) { *ttl = max(0, min(*ttl, 0)) })},
	{"a negative ttl is none", []string{"Add/negative ttl"}, adding(func(_ *int64, ttl *time.Duration) { *ttl = max(0, *ttl) })},
	{"Add wraps", []string{"Add/overflow"}, func(b *bent) {
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			sum, err := b.memory.Add(bg, key, delta, ttl)
			if err != nil {
				return math.MaxInt64, nil
			}
			return sum, nil
		}
	}},
	{"Get finds a counter", []string{"Add/no entry"}, func(b *bent) {
		b.get = func(key string) (entry, error) {
			e, err := b.memory.Get(bg, key)
			if ok, _ := b.memory.Exists(bg, key); ok && err != nil && !e.Absent {
				return entry{}, nil
			}
			return e, err
		}
	}},
	{"Add replaces an entry", []string{"Add/wrong type"}, func(b *bent) {
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			sum, err := b.memory.Add(bg, key, delta, ttl)
			if errors.Is(err, store.ErrWrongType) {
				err = b.memory.Delete(bg, key)
			}
			return sum, err
		}
	}},
	{"Set refuses a counter", []string{"Add/set replaces"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			if isCounter(b, key) {
				return store.ErrWrongType
			}
			return b.memory.Set(bg, key, e)
		}
	}},
	{"Delete leaves counters", []string{"Add/delete"}, func(b *bent) {
		b.delete = func(keys ...string) error {
			keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return isCounter(b, key) })
			return b.memory.Delete(bg, keys...)
		}
	}},
	{"Count creates", []string{"Count/sum"}, func(b *bent) {
		b.count = func(key string) (int64, error) { return b.memory.Add(bg, key, 0, 0) }
	}},
	{"Count of an entry is none", []string{"Count/wrong type"}, func(b *bent) {
		b.count = func(key string) (int64, error) {
			sum, err := b.memory.Count(bg, key)
			if errors.Is(err, store.ErrWrongType) {
				err = store.ErrNotFound
			}
			return sum, err
		}
	}},
	{"DeletePattern leaves counters", []string{"DeletePattern/counters"}, func(b *bent) {
		b.deletePattern = func(string) (int, error) { return 0, nil }
	}},
}

// adding bends what is passed to Add.
func adding(do func(delta *int64, ttl *time.Duration)) func(b *bent) {
	return func(b *bent) {
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			do(&delta, &ttl)
			return b.memory.Add(bg, key, delta, ttl)
		}
	}
}

func isCounter(b *bent, key string) bool {
	_, err := b.memory.Get(bg, key)
	ok, _ := b.memory.Exists(bg, key)
	return err != nil && ok
}
