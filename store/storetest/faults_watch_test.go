package storetest_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	{"Delete is not notified to the own watcher", []string{"Watch/own changes", "Watch/several watchers"}, func(b *bent) {
		b.delete = func(keys ...string) error {
			for _, key := range keys {
				if _, _, err := b.memory.Fill(bg, key, entry{ExpiresAt: 1}); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	{"only the first change is notified", []string{"Watch/own changes", "Watch/changes by peers", "Fill/changes notified"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) {
			var once sync.Once
			if changed := w.Changed; changed != nil {
				w.Changed = func(inv store.Invalidation) { once.Do(func() { changed(inv) }) }
			}
		})
	}},
	{"what others change is not notified", []string{"Watch/changes by peers", "Fill/notified to peers"}, func(b *bent) {
		b.notifies(func(inv store.Invalidation) bool { return !slices.Contains(inv.Keys, "k") })
	}},
	{"Clear is not notified", []string{"Watch/own changes"}, withoutAll},
	{"only keys that Get has read are watched", []string{"Watch/many"}, func(b *bent) {
		var read sync.Map
		b.get = func(key string) (entry, error) {
			read.Store(key, true)
			return b.memory.Get(bg, key)
		}
		b.notifies(func(inv store.Invalidation) bool {
			_, ok := read.Load(strings.Join(inv.Keys, ""))
			return ok
		})
	}},
	{"there is room for one watcher", []string{"Watch/several watchers"}, func(b *bent) {
		stop := func() {}
		b.watch = func(w store.Watching) (_ func(), err error) {
			stop()
			stop, err = b.memory.Watch(w)
			return stop, err
		}
	}},
	{"stop does nothing", []string{"Watch/stop"}, func(b *bent) {
		b.watch = watchForever(b)
	}},
	{"stop does not wait", []string{"Watch/stop"}, func(b *bent) {
		b.watch = func(w store.Watching) (func(), error) {
			changed := w.Changed
			w.Changed = func(inv store.Invalidation) {
				time.Sleep(50 * time.Microsecond)
				changed(inv)
			}
			stop, err := b.memory.Watch(w)
			return func() { go stop() }, err
		}
	}},
	{"changes are notified before they are made", []string{"Watch/mirror", "Fill/mirror"}, notifiesEarly},
	{"every third change is not notified", []string{"Watch/mirror"}, func(b *bent) {
		var n atomic.Int64
		b.notifies(func(store.Invalidation) bool { return n.Add(1)%3 != 0 })
	}},
	{"Fill loses the tags", []string{"Fill/keeps"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			e.Tags = nil
			return b.memory.Fill(bg, key, e)
		}
	}},
	{"Fill without a stamp has the oldest", []string{"Fill/no stamp"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			if e.Stamp == 0 {
				e.Stamp = 1
			}
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
	{"Fill is never watched", []string{"Fill/watched", "Fill/changes notified"}, func(b *bent) {
		b.fill = func(key string, e entry) (entry, bool, error) {
			kept, _, err := b.memory.Fill(bg, key, e)
			return kept, false, err
		}
	}},
	{"Fill is not notified", []string{"Fill/notified to peers"}, func(b *bent) {
		b.notifies(func(inv store.Invalidation) bool {
			e, _ := b.memory.Peer().Get(bg, strings.Join(inv.Keys, ""))
			return e.Value.Number < 100
		})
	}},
	{"a filled key is not watched", []string{"Fill/changes notified"}, func(b *bent) {
		var filled sync.Map
		b.fill = func(key string, e entry) (entry, bool, error) {
			filled.Store(key, true)
			return b.memory.Fill(bg, key, e)
		}
		b.notifies(func(inv store.Invalidation) bool {
			_, ok := filled.Load(strings.Join(inv.Keys, ""))
			return !ok && !inv.All
		})
	}},
}

func withoutAll(b *bent) { b.notifies(func(inv store.Invalidation) bool { return !inv.All }) }

// watchForever returns a Watch whose stop does nothing.
func watchForever(b *bent) func(w store.Watching) (func(), error) {
	return func(w store.Watching) (func(), error) {
		_, err := b.memory.Watch(w)
		return func() {}, err
	}
}

// notifiesEarly bends Set to notify first and then write.
func notifiesEarly(b *bent) {
	var mu sync.Mutex
	watchers := map[int]func(store.Invalidation){}
	b.watch = func(w store.Watching) (func(), error) {
		mu.Lock()
		defer mu.Unlock()
		n := len(watchers)
		watchers[n] = w.Changed
		return func() {
			mu.Lock()
			defer mu.Unlock()
			delete(watchers, n)
		}, nil
	}
	b.set = func(key string, e entry) error {
		mu.Lock()
		for _, fn := range watchers {
			fn(store.Invalidation{Keys: []string{key}})
		}
		mu.Unlock()
		runtime.Gosched()
		time.Sleep(20 * time.Microsecond)
		return b.memory.Set(bg, key, e)
	}
}
