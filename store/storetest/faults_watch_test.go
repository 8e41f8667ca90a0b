package storetest_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

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
