package storetest_test

import (
	"errors"
	"math"
	"path"
	"runtime"
	"slices"
	"strings"
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
	{"Clear and DeletePattern leave counters", []string{"Clear/counters", "DeletePattern/counters"}, func(b *bent) {
		b.clear = func() error { return nil }
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

var removeFaults = []fault{
	{"patterns are those of package path", []string{"DeletePattern/grammar"}, func(b *bent) {
		var mu sync.Mutex
		held := map[string]bool{}
		b.set = func(key string, e entry) error {
			mu.Lock()
			defer mu.Unlock()
			held[key] = true
			return b.memory.Set(bg, key, e)
		}
		b.deletePattern = func(pattern string) (n int, err error) {
			for key := range held {
				if ok, _ := path.Match(pattern, key); ok {
					delete(held, key)
					err = errors.Join(err, b.memory.Delete(bg, key))
					n++
				}
			}
			return n, err
		}
	}},
	{"DeletePattern does not count", []string{"DeletePattern/grammar", "DeletePattern/many", "DeletePattern/counters"}, func(b *bent) {
		b.deletePattern = func(pattern string) (int, error) {
			_, err := b.memory.DeletePattern(bg, pattern)
			return 0, err
		}
	}},
	{"DeletePattern sees one page", []string{"DeletePattern/many"}, func(b *bent) {
		b.deletePattern = func(pattern string) (int, error) {
			return b.memory.DeletePattern(bg, strings.Replace(pattern, "*", "[0-4]*", 1))
		}
	}},
	{"DeletePattern takes everything", []string{"DeletePattern/grammar", "DeletePattern/many"}, func(b *bent) {
		b.deletePattern = func(string) (int, error) { return b.memory.DeletePattern(bg, "*") }
	}},
	{"Clear leaves something", []string{"Clear/all"}, func(b *bent) {
		b.clear = func() error {
			_, err := b.memory.DeletePattern(bg, "*[^9]")
			return err
		}
	}},
	{"Clear works once", []string{"Clear/again"}, func(b *bent) {
		var once sync.Once
		b.clear = func() (err error) {
			once.Do(func() { err = b.memory.Clear(bg) })
			return err
		}
	}},
	{"one tag is enough for InvalidateTags", []string{"InvalidateTags/tagged"}, func(b *bent) {
		b.invalidate = func(tags ...string) error { return b.memory.InvalidateTags(bg, tags[:min(1, len(tags))]...) }
	}},
	{"InvalidateTags is Clear", []string{"InvalidateTags/tagged", "InvalidateTags/replaced"}, func(b *bent) {
		b.invalidate = func(...string) error { return b.memory.Clear(bg) }
	}},
	{"an invalidated tag stays so", []string{"InvalidateTags/before"}, func(b *bent) {
		var mu sync.Mutex
		var invalid []string
		b.invalidate = func(tags ...string) error {
			mu.Lock()
			defer mu.Unlock()
			invalid = append(invalid, tags...)
			return b.memory.InvalidateTags(bg, tags...)
		}
		seen(func(e *entry, err *error) {
			mu.Lock()
			defer mu.Unlock()
			if slices.ContainsFunc(e.Tags, func(tag string) bool { return slices.Contains(invalid, tag) }) {
				*e, *err = entry{}, store.ErrNotFound
			}
		})(b)
	}},
	{"the tags of all Sets add up", []string{"InvalidateTags/replaced"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			old, _ := b.memory.Get(bg, key)
			e.Tags = append(slices.Clip(e.Tags), old.Tags...)
			return b.memory.Set(bg, key, e)
		}
	}},
	{"absent entries have no tags", []string{"InvalidateTags/absent"}, kept(func(e *entry) {
		if e.Absent {
			e.Tags = nil
		}
	})},
	{"Ping fails", []string{"Ping/answers"}, func(b *bent) { b.ping = func() error { return errBoom } }},
	{"hits count twice", []string{"Stats/counts"}, func(b *bent) {
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Hits *= 2
			return st, err
		}
	}},
	{"an absent entry is no hit", []string{"Stats/counts"}, func(b *bent) {
		var absent uint64
		seen(func(e *entry, _ *error) {
			if e.Absent {
				absent++
			}
		})(b)
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Hits -= absent
			return st, err
		}
	}},
	{"entries are counted in pairs", []string{"Stats/entries"}, func(b *bent) {
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Entries /= 2
			return st, err
		}
	}},
}

var neighbourFaults = []struct {
	what      string
	rules     []string
	bend      func(b *bent)
	neighbour func(b *bent)
}{
	{"keys are shared", []string{"Neighbour/entries", "Neighbour/odd keys", "Neighbour/counters"}, in("a:"), in("a:")},
	{"one prefix begins with the other", []string{"Neighbour/odd keys"}, in(""), in("a")},
	{"Clear takes all", []string{"Neighbour/clear"}, func(b *bent) {
		in("a:")(b)
		b.clear = func() error { return b.memory.Clear(bg) }
	}, in("b:")},
	{"the prefix is a pattern", []string{"Neighbour/clear", "Neighbour/pattern"}, func(b *bent) {
		in("?:")(b)
		b.clear = func() error { _, err := b.memory.DeletePattern(bg, "?:*"); return err }
		b.deletePattern = func(pattern string) (int, error) { return b.memory.DeletePattern(bg, "?:"+pattern) }
	}, in("b:")},
	{"counters have no prefix", []string{"Neighbour/counters"}, noPrefixForCounters("a:"), noPrefixForCounters("b:")},
}

func noPrefixForCounters(prefix string) func(b *bent) {
	return func(b *bent) {
		add := b.add
		in(prefix)(b)
		b.add = add
	}
}

var watchFaults = []fault{
	{"Delete is not told to the own watcher", []string{"Watch/own changes", "Watch/several watchers"}, func(b *bent) {
		b.delete = func(keys ...string) error {
			for _, key := range keys {
				if _, _, err := b.memory.Fill(bg, key, entry{ExpiresAt: 1}); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	{"only the first change is told", []string{"Watch/own changes", "Watch/changes by peers", "Fill/changes told"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			var once sync.Once
			return b.memory.Watch(func(inv store.Invalidation) { once.Do(func() { fn(inv) }) })
		}
	}},
	{"what others change is not told", []string{"Watch/changes by peers", "Fill/told to peers"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			return b.memory.Watch(func(inv store.Invalidation) {
				if !slices.Contains(inv.Keys, "k") {
					fn(inv)
				}
			})
		}
	}},
	{"Clear is not told", []string{"Watch/own changes"}, withoutAll},
	{"only keys that Get has read are watched", []string{"Watch/many"}, func(b *bent) {
		var read sync.Map
		b.get = func(key string) (entry, error) {
			read.Store(key, true)
			return b.memory.Get(bg, key)
		}
		b.watch = func(fn func(store.Invalidation)) func() {
			return b.memory.Watch(func(inv store.Invalidation) {
				if _, ok := read.Load(strings.Join(inv.Keys, "")); ok {
					fn(inv)
				}
			})
		}
	}},
	{"there is room for one watcher", []string{"Watch/several watchers"}, func(b *bent) {
		stop := func() {}
		b.watch = func(fn func(store.Invalidation)) func() {
			stop()
			stop = b.memory.Watch(fn)
			return stop
		}
	}},
	{"stop does nothing", []string{"Watch/stop"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			b.memory.Watch(fn)
			return func() {}
		}
	}},
	{"stop does not wait", []string{"Watch/stop"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			stop := b.memory.Watch(func(inv store.Invalidation) {
				time.Sleep(50 * time.Microsecond)
				fn(inv)
			})
			return func() { go stop() }
		}
	}},
	{"changes are told before they are made", []string{"Watch/mirror", "Fill/mirror"}, tellsEarly},
	{"every third change is not told", []string{"Watch/mirror"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			var mu sync.Mutex
			var n int
			return b.memory.Watch(func(inv store.Invalidation) {
				mu.Lock()
				n++
				tell := n%3 != 0
				mu.Unlock()
				if tell {
					fn(inv)
				}
			})
		}
	}},
	{"Fill loses the tags", []string{"Fill/keeps"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			e.Tags = nil
			return b.memory.Fill(bg, key, e)
		}
	}},
	{"Fill returns no version", []string{"Fill/keeps"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			kept, watched, err := b.memory.Fill(bg, key, e)
			kept.Version = 0
			return kept, watched, err
		}
	}},
	{"Fill of an expired entry does nothing", []string{"Fill/expired"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			if e.Expired(store.Now()) {
				return e, false, nil
			}
			return b.memory.Fill(bg, key, e)
		}
	}},
	{"Fill is Set", []string{"Fill/watched"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			err := b.memory.Set(bg, key, e)
			return e, true, err
		}
	}},
	{"Fill is never watched", []string{"Fill/watched", "Fill/changes told"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			kept, _, err := b.memory.Fill(bg, key, e)
			return kept, false, err
		}
	}},
	{"Fill is told to nobody", []string{"Fill/told to peers"}, func(b *bent) {
		b.watch = func(fn func(store.Invalidation)) func() {
			return b.memory.Watch(func(inv store.Invalidation) {
				if e, _ := b.memory.Peer().Get(bg, strings.Join(inv.Keys, "")); e.Value.Number < 100 {
					fn(inv)
				}
			})
		}
	}},
	{"a filled key is not watched", []string{"Fill/changes told"}, func(b *bent) {
		var filled sync.Map
		b.fill = func(key string, e entry) (entry, bool, error) {
			filled.Store(key, true)
			return b.memory.Fill(bg, key, e)
		}
		b.watch = func(fn func(store.Invalidation)) func() {
			return b.memory.Watch(func(inv store.Invalidation) {
				if _, ok := filled.Load(strings.Join(inv.Keys, "")); !ok && !inv.All {
					fn(inv)
				}
			})
		}
	}},
}

func withoutAll(b *bent) {
	b.watch = func(fn func(store.Invalidation)) func() {
		return b.memory.Watch(func(inv store.Invalidation) {
			if !inv.All {
				fn(inv)
			}
		})
	}
}

// tellsEarly bends Set to tell first and write then.
func tellsEarly(b *bent) {
	var mu sync.Mutex
	told := map[int]func(store.Invalidation){}
	b.watch = func(fn func(store.Invalidation)) func() {
		mu.Lock()
		defer mu.Unlock()
		n := len(told)
		told[n] = fn
		return func() {
			mu.Lock()
			defer mu.Unlock()
			delete(told, n)
		}
	}
	b.set = func(key string, e entry) error {
		mu.Lock()
		for _, fn := range told {
			fn(store.Invalidation{Keys: []string{key}})
		}
		mu.Unlock()
		runtime.Gosched()
		time.Sleep(20 * time.Microsecond)
		return b.memory.Set(bg, key, e)
	}
}
