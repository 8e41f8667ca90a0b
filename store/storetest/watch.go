package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

var onWatcher = []Capability{Watcher}

// A log notes what a watcher is notified of.
type log struct {
	mu   sync.Mutex
	keys map[string]int
	all  int
}

func (l *log) note(inv store.Invalidation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if inv.All {
		l.all++
	}
	for _, key := range inv.Keys {
		l.keys[key]++
	}
}

// notified returns how often key was notified, All included.
func (l *log) notified(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[key] + l.all
}

// watch watches c.s until the test ends.
func (c *check) watch() *log {
	l := &log{keys: map[string]int{}}
	c.Cleanup(c.watching(store.Watching{Changed: l.note}))
	return l
}

// watching watches c.s until stop is called.
func (c *check) watching(w store.Watching) (stop func()) {
	c.Helper()
	stop, err := c.s.(store.Watcher).Watch(w)
	c.ok(err, "Watch")
	return stop
}

// A change is one way to change the entry under "k", which carries the tag "t".
type change struct {
	name  string
	on    Capability
	keeps bool // a lease of the key stays valid
	do    func(c *check, s store.Store[Value]) error
}

var changes = []change{
	{"Set", "", false, func(c *check, s store.Store[Value]) error {
		return s.Set(c.ctx, "k", store.Entry[Value]{Value: number(2)})
	}},
	{"Set of an absent entry", "", false, func(c *check, s store.Store[Value]) error {
		return s.Set(c.ctx, "k", store.Entry[Value]{Absent: true})
	}},
	{"Set of an expired entry", "", false, func(c *check, s store.Store[Value]) error {
		return s.Set(c.ctx, "k", store.Entry[Value]{ExpiresAt: store.Now().Add(-hour)})
	}},
	{"Delete", "", false, func(c *check, s store.Store[Value]) error { return s.Delete(c.ctx, "nothing", "k") }},
	{"SetMany", ManySetter, false, func(c *check, s store.Store[Value]) error {
		return store.SetMany(c.ctx, s, map[string]store.Entry[Value]{"k": {Value: number(2)}, "new": {}})
	}},
	{"SetNewer", Reviser, false, func(c *check, s store.Store[Value]) error {
		_, err := store.SetNewer(c.ctx, s, "k", store.Entry[Value]{Value: number(2), Revision: 1})
		return err
	}},
	{"Expire", Expirer, true, func(c *check, s store.Store[Value]) error { return store.Expire(c.ctx, s, "k", hour/2) }},
	{"Expire to zero", Expirer, false, func(c *check, s store.Store[Value]) error { return store.Expire(c.ctx, s, "k", 0) }},
	{"DeletePattern", PatternDeleter, false, func(c *check, s store.Store[Value]) error {
		_, err := store.DeletePattern(c.ctx, s, "[k]")
		return err
	}},
	{"InvalidateTags", invalidates, false, func(c *check, s store.Store[Value]) error {
		return s.(invalidator).InvalidateTags(c.ctx, "t")
	}},
	{"Clear", Clearer, false, func(c *check, s store.Store[Value]) error { return store.Clear(c.ctx, s) }},
	{"MarkStale", Writer, false, func(c *check, s store.Store[Value]) error {
		return s.(store.Writer[Value]).MarkStale(c.ctx, "k")
	}},
	{"a write intent", Writer, false, func(c *check, s store.Store[Value]) error {
		token, err := s.(store.Writer[Value]).BeginWrite(c.ctx, hour, "k")
		if err != nil {
			return err
		}
		return s.(store.Writer[Value]).EndWrite(c.ctx, token, nil, "k")
	}},
}

// notifiesOf fails unless every change that other makes to an entry that read has
// read, or filled, through c.s is notified.
func (c *check) notifiesOf(other store.Store[Value], by string, read func(e store.Entry[Value])) {
	c.Helper()
	l := c.watch()
	for _, ch := range changes {
		if ch.on != "" && !ch.on.of(other) || ch.on == invalidates && Tagger.of(other) {
			continue
		}
		for _, again := range []string{"", ", the second time"} {
			read(store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour), Tags: []string{"t"}})
			before := l.notified("k")
			c.ok(ch.do(c, other), ch.name)
			c.until(fmt.Sprintf("%s by %s is notified%s", ch.name, by, again), func() bool { return l.notified("k") > before })
		}
	}
}

// setAndGet reads an entry through c.s that was set through it.
func (c *check) setAndGet(e store.Entry[Value]) {
	c.Helper()
	c.set("k", e)
	c.quiet()
	c.get("k")
}

// quiet waits until what was done should have been notified. A store that notifies late
// only makes the rules weaker for it.
func (c *check) quiet() {
	if c.h.Peer != nil {
		time.Sleep(5 * time.Millisecond)
	}
}

var watchRules = []rule{{
	name: "Watch/own changes",
	full: true,
	says: "If a Get that began after Watch returned an entry, and that entry is later changed by the watching store itself, the watcher is notified.",
	on:   onWatcher,
	run:  func(c *check) { c.notifiesOf(c.s, "the store itself", c.setAndGet) },
}, {
	name: "Watch/changes by peers",
	full: true,
	says: "If a Get that began after Watch returned an entry, and that entry is later changed by any client, the watcher is notified.",
	on:   onWatcher,
	with: hasPeer,
	run:  func(c *check) { c.notifiesOf(c.peer(), "a peer", c.setAndGet) },
}, {
	name: "Watch/many",
	says: "Entries that were read by GetMany are watched like those read by Get.",
	on:   onWatcher,
	run: func(c *check) {
		l := c.watch()
		var keys []string
		for n := range int64(100) {
			keys = append(keys, fmt.Sprint("k", n))
			c.setNumber(keys[n], n)
		}
		c.quiet()
		found := c.getMany(keys...)
		other := c.s
		if c.h.Peer != nil {
			other = c.peer()
		}
		for _, key := range keys {
			if _, ok := found[key]; !ok {
				if c.h.Lossy {
					continue // not read, so not watched
				}
				c.forgot(key)
			}
			before := l.notified(key)
			c.ok(other.Delete(c.ctx, key), "Delete")
			c.until("Delete of "+key+" is notified", func() bool { return l.notified(key) > before })
		}
	},
}, {
	name: "Watch/several watchers",
	says: "Every watcher is notified, and one that stops does not stop the others.",
	on:   onWatcher,
	run: func(c *check) {
		first := c.watch()
		stop := c.watching(store.Watching{Changed: func(store.Invalidation) {}})
		last := c.watch()
		for n := range int64(2) {
			c.setAndGet(store.Entry[Value]{Value: number(n)})
			a, b := first.notified("k"), last.notified("k")
			c.delete("k")
			c.until("both watchers are notified", func() bool { return first.notified("k") > a && last.notified("k") > b })
			stop() // the second time for nothing
		}
	},
}, {
	name: "Watch/stop",
	says: "After stop has returned the function is not called again.",
	on:   onWatcher,
	run: func(c *check) {
		var ended atomic.Bool
		c.together(2, func(g int) error {
			if g == 0 {
				for n := int64(0); !ended.Load(); n++ {
					if err := c.s.Set(c.ctx, "k", store.Entry[Value]{Value: number(n)}); err != nil {
						return err
					}
					if _, err := c.s.Get(c.ctx, "k"); err != nil && err != store.ErrNotFound {
						return err
					}
				}
				return nil
			}
			defer ended.Store(true)
			for range 20 {
				var calls, late atomic.Int64
				var stopped atomic.Bool
				stop, err := c.s.(store.Watcher).Watch(store.Watching{Changed: func(store.Invalidation) {
					calls.Add(1)
					if stopped.Load() {
						late.Add(1)
					}
				}})
				if err != nil {
					return err
				}
				for end := time.Now().Add(c.deadline()); calls.Load() == 0 && time.Now().Before(end); {
					time.Sleep(100 * time.Microsecond)
				}
				stop()
				stopped.Store(true)
				time.Sleep(time.Millisecond)
				if late.Load() > 0 {
					return fmt.Errorf("the function was called %d times after stop", late.Load())
				}
			}
			return nil
		})
	},
}, {
	name: "Watch/mirror",
	says: "A copy of what was read is dropped by what the watcher is notified, or is still what Get returns.",
	on:   onWatcher,
	run:  func(c *check) { c.mirror(false) },
}}

func hasPeer(h Harness) bool { return h.Peer != nil }
