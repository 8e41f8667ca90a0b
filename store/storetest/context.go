package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
)

// A call is one operation of a store, for the rules that hold for all of them.
type call struct {
	name string
	on   Capability // empty: every store has it
	do   func(ctx context.Context, s store.Store[Value]) error
}

// secret is in the values that calls write: it must not be in an error.
const secret = "a value that no error may show"

// calls are all operations that return an error. Those that need an entry use
// "entry", those that make a counter "counter".
func calls() []call {
	entry := store.Entry[Value]{Value: Value{Text: secret}, ExpiresAt: store.In(hour)}
	return []call{
		{"Get", "", func(ctx context.Context, s store.Store[Value]) error {
			_, err := s.Get(ctx, "entry")
			return err
		}},
		{"Set", "", func(ctx context.Context, s store.Store[Value]) error { return s.Set(ctx, "new", entry) }},
		{"Delete", "", func(ctx context.Context, s store.Store[Value]) error { return s.Delete(ctx, "nothing") }},
		{"GetMany", ManyGetter, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.GetMany(ctx, s, []string{"entry", "nothing"})
			return err
		}},
		{"SetMany", ManySetter, func(ctx context.Context, s store.Store[Value]) error {
			return store.SetMany(ctx, s, map[string]store.Entry[Value]{"new": entry, "newer": entry})
		}},
		{"TTL", Expirer, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.TTL(ctx, s, "entry")
			return err
		}},
		{"Expire", Expirer, func(ctx context.Context, s store.Store[Value]) error {
			return store.Expire(ctx, s, "entry", hour)
		}},
		{"Exists", Expirer, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.Exists(ctx, s, "entry")
			return err
		}},
		{"Add", Counter, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.Add(ctx, s, "counter", 1, 0)
			return err
		}},
		{"Count", Counter, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.Count(ctx, s, "counter")
			if err == store.ErrNotFound {
				return nil
			}
			return err
		}},
		{"DeletePattern", PatternDeleter, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.DeletePattern(ctx, s, "nothing*")
			return err
		}},
		{"InvalidateTags", invalidates, func(ctx context.Context, s store.Store[Value]) error {
			return s.(invalidator).InvalidateTags(ctx, "nothing")
		}},
		{"Fill", Filler, func(ctx context.Context, s store.Store[Value]) error {
			_, _, err := s.(store.Filler[Value]).Fill(ctx, "new", entry)
			return err
		}},
		{"SetNewer", Reviser, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.SetNewer(ctx, s, "new", entry)
			return err
		}},
		{"SetIfAbsent", Reviser, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.SetIfAbsent(ctx, s, "new", entry)
			return err
		}},
		{"Ping", Pinger, func(ctx context.Context, s store.Store[Value]) error { return store.Ping(ctx, s) }},
		{"Stats", Reporter, func(ctx context.Context, s store.Store[Value]) error {
			_, err := store.StatsOf(ctx, s)
			return err
		}},
		{"Clear", Clearer, func(ctx context.Context, s store.Store[Value]) error { return store.Clear(ctx, s) }},
	}
}

// eachCall calls do for every operation that the store has.
func (c *check) eachCall(do func(call)) {
	for _, op := range calls() {
		if op.on == "" || op.on.of(c.s) {
			do(op)
		}
	}
}

var contextRules = []rule{{
	name: "Context/done",
	says: "A call with a context that is done either does its work or returns an error that is the context's.",
	run: func(c *check) {
		canceled, cancel := context.WithCancel(c.ctx)
		cancel()
		expired, cancel := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
		defer cancel()
		for _, ctx := range []context.Context{canceled, expired} {
			c.eachCall(func(op call) {
				c.settled("entry", store.Entry[Value]{Value: number(1), ExpiresAt: store.In(hour)})
				c.get("entry")
				if err := op.do(ctx, c.s); err != nil && !errors.Is(err, ctx.Err()) {
					c.Errorf("%s returned %v, which is not %v", op.name, err, ctx.Err())
				}
			})
		}
	},
}, {
	name: "Context/work",
	says: "A call with a context that is done, and no error, has done its work.",
	run: func(c *check) {
		done, cancel := context.WithCancel(c.ctx)
		cancel()
		// Each on its own key: a tier in front of another one may retry a change that has failed.
		if c.s.Set(done, "set", store.Entry[Value]{Value: number(1)}) == nil {
			c.holds("set", 1)
		}
		c.setNumber("deleted", 2)
		if c.s.Delete(done, "deleted") == nil {
			c.gone("deleted", "after Delete")
		}
		c.setNumber("read", 3)
		if e, err := c.s.Get(done, "read"); err == nil && !e.Value.Equal(number(3)) {
			c.Errorf("Get returned %v without an error", e.Value)
		}
		c.holds("read", 3)
	},
}}

var closedRules = []rule{{
	name: "Closed/errors",
	says: "After its shared resource was closed, every call returns an *Error that is ErrClosed.",
	with: func(h Harness) bool { return h.Close != nil },
	run: func(c *check) {
		c.set("entry", store.Entry[Value]{Value: Value{Text: secret}})
		c.h.Close(c.s)
		c.eachCall(func(op call) {
			err := op.do(c.ctx, c.s)
			if !errors.Is(err, store.ErrClosed) {
				c.Errorf("%s returned %v, want ErrClosed", op.name, err)
				return
			}
			if e := new(store.Error); !errors.As(err, &e) {
				c.Errorf("%s returned %T, want an error with a *store.Error", op.name, err)
			}
		})
		if w, ok := c.s.(store.Watcher); ok {
			// It must not hang or panic.
			if stop, err := w.Watch(store.Watching{Changed: func(store.Invalidation) {}, Connected: func(bool) {}}); err == nil {
				stop()
			}
		}
	},
}, {
	name: "Closed/values",
	says: "Keys may appear in errors, values never.",
	with: func(h Harness) bool { return h.Close != nil },
	run: func(c *check) {
		c.h.Close(c.s)
		c.eachCall(func(op call) {
			if err := op.do(c.ctx, c.s); err != nil && containsFold(err.Error(), secret) {
				c.Errorf("%s returned the error %q", op.name, err)
			}
		})
	},
}}

// settled sets e until it is there. A tier in front of another one may retry a change after
// its context had ended, and until then does not read what that concerns. A store may take an
// entry for older than a tag that a peer has just invalidated, until it is notified of that.
func (c *check) settled(key string, e store.Entry[Value]) {
	for range 1000 {
		c.set(key, e)
		if _, err := c.s.Get(c.ctx, key); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
