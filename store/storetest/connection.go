package storetest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

func canDisconnect(h Harness) bool { return h.Disconnect != nil }

func canRollBack(h Harness) bool { return h.Rollback != nil }

// events notes what happened, in order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, what)
}

func (e *events) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

func (e *events) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = nil
}

// has reports whether the events end with last.
func (e *events) has(last ...string) bool {
	all := e.list()
	return len(all) >= len(last) && slices.Equal(all[len(all)-len(last):], last)
}

func (e *events) connection(connected bool) {
	if connected {
		e.note("connected")
	} else {
		e.note("disconnected")
	}
}

func (e *events) invalidation(inv store.Invalidation) {
	if inv.All {
		e.note("all")
	}
}

// watching returns functions that note what they are called with.
func (e *events) watching() store.Watching {
	return store.Watching{Changed: e.invalidation, Connected: e.connection, RolledBack: func() { e.note("rollback") }}
}

var connectionRules = []rule{{
	name: "Watch/not all functions",
	says: "Watch does not call functions that are nil.",
	on:   onWatcher,
	run: func(c *check) {
		for _, w := range []store.Watching{{}, {Connected: func(bool) {}}, {RolledBack: func() {}}, {Changed: func(store.Invalidation) {}}} {
			stop := c.watching(w)
			defer func() { // on the goroutine of a change, if the store notifies of it there
				if r := recover(); r != nil {
					c.Errorf("it panicked: %v", r)
				}
			}()
			c.setNumber("k", 1)
			c.holds("k", 1)
			c.delete("k")
			if canDisconnect(c.h) {
				c.h.Disconnect(c.s)()
				c.until("the backend can be reached again", func() bool { return c.s.Set(c.ctx, "k", store.Entry[Value]{}) == nil })
			}
			stop()
		}
	},
}, {
	name: "MaxStale/asks",
	says: "MaxStale is not negative and does not change.",
	on:   onWatcher,
	run: func(c *check) {
		s := c.s.(store.Watcher)
		first := s.MaxStale()
		c.setNumber("k", 1)
		if next := s.MaxStale(); first < 0 || next != first {
			c.Errorf("MaxStale is %v, and then %v", first, next)
		}
	},
}, {
	name: "Connected/at once",
	says: "Connected is called once before Watch returns, with the present state, and not after stop.",
	on:   onWatcher,
	run: func(c *check) {
		var e events
		stop := c.watching(store.Watching{Connected: e.connection})
		if all := e.list(); len(all) == 0 {
			c.Errorf("Connected was not called before Watch returned")
		}
		c.until("the store is connected", func() bool { return e.has("connected") })
		stop()
		n := len(e.list())
		if canDisconnect(c.h) {
			c.h.Disconnect(c.s)()
			time.Sleep(50 * time.Millisecond)
		}
		if all := e.list(); len(all) > n {
			c.Errorf("after stop: %q", all[n:])
		}
	},
}, {
	name: "Connected/lost",
	says: "While the backend cannot be reached calls are ErrUnavailable and Connected was called with false; watchers are notified of All before it is called with true.",
	on:   onWatcher,
	with: canDisconnect,
	run: func(c *check) {
		c.setNumber("k", 1)
		c.holds("k", 1)
		var e events
		c.Cleanup(c.watching(store.Watching{Changed: e.invalidation, Connected: e.connection}))
		c.until("the store is connected", func() bool { return e.has("connected") })
		var other store.Store[Value]
		if c.h.Peer != nil {
			other = c.peer()
		}
		before := len(e.list())
		reconnect := c.h.Disconnect(c.s)
		c.until("the store is disconnected", func() bool { return slices.Contains(e.list()[before:], "disconnected") })
		if _, err := c.s.Get(c.ctx, "k"); !errors.Is(err, store.ErrUnavailable) {
			c.Errorf("Get while disconnected returned %v", err)
		}
		if err := c.s.Set(c.ctx, "k", store.Entry[Value]{}); !errors.Is(err, store.ErrUnavailable) {
			c.Errorf("Set while disconnected returned %v", err)
		}
		if other != nil {
			c.ok(other.Set(c.ctx, "k", store.Entry[Value]{Value: number(2)}), "Set by a peer")
		}
		reconnect()
		c.until("the store is connected again", func() bool { return e.has("connected") })
		all := e.list()[before:]
		if !slices.Contains(all[:slices.Index(all, "connected")], "all") {
			c.Errorf("All was not notified before: %q", all)
		}
		if other != nil {
			c.holds("k", 2)
		}
	},
}, {
	name: "RolledBack/before",
	says: "When the backend may have gone back in time RolledBack is called, watchers are notified of All afterwards, and neither after stop.",
	on:   onWatcher,
	with: canRollBack,
	run: func(c *check) {
		var e, stopped events
		c.Cleanup(c.watching(e.watching()))
		stop := c.watching(stopped.watching())
		c.until("the store is connected", func() bool { return e.has("connected") })
		c.setNumber("k", 1)
		c.holds("k", 1)
		if all := e.list(); slices.Contains(all, "rollback") {
			c.Errorf("before anything has happened: %q", all)
		}
		stop()
		stopped.forget()
		c.h.Rollback(c.s)
		c.until("the rollback is notified, and then All", func() bool {
			all := e.list()
			i := slices.Index(all, "rollback")
			return i >= 0 && slices.Contains(all[i:], "all")
		})
		if all := stopped.list(); len(all) > 0 {
			c.Errorf("after stop: %q", all)
		}
	},
}, {
	name: "RolledBack/quiet",
	says: "Ordinary changes are no rollback.",
	on:   onWatcher,
	run: func(c *check) {
		var e events
		c.Cleanup(c.watching(store.Watching{RolledBack: func() { e.note("rollback") }}))
		for n := range int64(3) {
			c.setNumber("k", n)
			c.holds("k", n)
			c.delete("k")
		}
		if Clearer.of(c.s) {
			c.ok(store.Clear(c.ctx, c.s), "Clear")
		}
		if all := e.list(); len(all) > 0 {
			c.Errorf("got %q", all)
		}
	},
}}
