package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// A rule is one sentence of the contract and the test that holds it.
type rule struct {
	name string // of the subtest
	says string

	on   []Capability       // what the store must have for it to apply
	with func(Harness) bool // what the harness must have; nil: nothing more
	full bool               // it is about more of an entry than a Plain store keeps

	run func(c *check)
}

// rules returns all rules.
func rules() []rule {
	return slices.Concat(
		capabilityRules, basicRules, keyRules, lifeRules, contextRules, concurrentRules, closedRules, neighbourRules,
		manyRules, expireRules, counterRules, patternRules, clearRules, tagRules, statsRules, watchRules, fillRules, reviseRules,
		refreshRules, hotRules, readRules, leaseRules, leaseFillRules, confirmRules, revalidateRules, holdRules, stampRules, connectionRules,
	)
}

func (r *rule) applies(h Harness, s store.Store[Value]) bool {
	if r.full && h.Plain {
		return false
	}
	for _, c := range r.on {
		if !c.of(s) {
			return false
		}
	}
	return r.with == nil || r.with(h)
}

// check runs the rule against a new store, and again if a lossy one forgot an
// entry that the rule needs.
func (r *rule) check(t testing.TB, h Harness) {
	t.Helper()
	attempts := 1
	if h.Lossy {
		attempts = 10
	}
	for range attempts {
		if r.attempt(t, h) {
			return
		}
	}
	t.Fatalf("the store forgot an entry in each of %d attempts\n\trule: %s", attempts, r.says)
}

func (r *rule) attempt(t testing.TB, h Harness) (done bool) {
	t.Helper()
	// A store that hangs should fail the rule, not the whole test binary.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := &check{TB: t, h: h, s: h.Open(t), ctx: ctx, says: r.says}
	defer func() {
		if c.forgotten {
			recover()
		}
	}()
	r.run(c)
	return true
}

// A check is a rule at work on a store.
type check struct {
	testing.TB
	h    Harness
	s    store.Store[Value]
	ctx  context.Context
	says string

	forgotten bool // the rule ends by the panic of forgot
}

// Errorf fails with the sentence of the rule.
func (c *check) Errorf(format string, args ...any) {
	c.Helper()
	c.TB.Errorf("%s\n\trule: %s", fmt.Sprintf(format, args...), c.says)
}

// Fatalf is Errorf and the end.
func (c *check) Fatalf(format string, args ...any) {
	c.Helper()
	c.TB.Fatalf("%s\n\trule: %s", fmt.Sprintf(format, args...), c.says)
}

// forgot is called when an entry is not there although nothing removed it.
func (c *check) forgot(key string) {
	c.Helper()
	if c.h.Lossy {
		c.forgotten = true
		panic("the store forgot an entry")
	}
	c.Fatalf("the entry under %s is not there", show(key))
}

// ok ends the rule if err is not nil.
func (c *check) ok(err error, what string) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s failed: %v", what, err)
	}
}

// set sets e under key.
func (c *check) set(key string, e store.Entry[Value]) {
	c.Helper()
	c.ok(c.s.Set(c.ctx, key, e), "Set of "+show(key))
}

// setNumber sets a plain entry with the value number(n).
func (c *check) setNumber(key string, n int64) {
	c.Helper()
	c.set(key, store.Entry[Value]{Value: number(n)})
}

// get returns the entry under key, which has to be there, absent or not.
func (c *check) get(key string) store.Entry[Value] {
	c.Helper()
	e, err := c.s.Get(c.ctx, key)
	if err == store.ErrNotFound && !e.Absent {
		c.forgot(key)
	}
	if err != e.MissError() {
		c.Fatalf("Get of %s returned the error %v with Absent %v", show(key), err, e.Absent)
	}
	return e
}

// holds fails unless the value under key is number(n).
func (c *check) holds(key string, n int64) {
	c.Helper()
	if e := c.get(key); !e.Value.Equal(number(n)) || e.Absent {
		c.Errorf("%s holds %v (absent: %v), want %v", show(key), e.Value, e.Absent, number(n))
	}
}

// gone fails unless Get of key is a bare miss.
func (c *check) gone(key, after string) {
	c.Helper()
	c.goneFrom(c.s, key, after)
}

func (c *check) goneFrom(s store.Store[Value], key, after string) {
	c.Helper()
	e, err := s.Get(c.ctx, key)
	switch {
	case err == nil:
		c.Errorf("%s: Get of %s found %v", after, show(key), e.Value)
	case err != store.ErrNotFound:
		c.Errorf("%s: Get of %s returned the error %v, want bare ErrNotFound", after, show(key), err)
	case e.Absent:
		c.Errorf("%s: Get of %s found an absent entry", after, show(key))
	}
}

// delete deletes keys.
func (c *check) delete(keys ...string) {
	c.Helper()
	c.ok(c.s.Delete(c.ctx, keys...), "Delete")
}

// settle waits until all that was done to the store has taken effect.
func (c *check) settle() {
	if c.h.Settle != nil {
		c.h.Settle(c.s)
	}
}

// until waits for done, which is what the store does in its own time. The
// deadline is for a store that never does it, so it may be long.
func (c *check) until(what string, done func() bool) {
	c.Helper()
	limit := c.deadline()
	for end := time.Now().Add(limit); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.Fatalf("in %v it did not happen that %s", limit, what)
		}
	}
}

func (c *check) deadline() time.Duration { return cmp.Or(c.h.deadline, 10*time.Second) }

// tolerance is by how much expiry times may be off.
func (c *check) tolerance() time.Duration {
	return cmp.Or(c.h.ExpiryError, 2*time.Millisecond)
}

// near reports whether two moments are the same within the tolerance of the store.
func (c *check) near(a, b store.Time) bool {
	if a == 0 || b == 0 {
		return a == b
	}
	return a.Sub(b).Abs() <= c.tolerance()
}

// peer returns another store over the same data.
func (c *check) peer() store.Store[Value] {
	c.Helper()
	return c.h.Peer(c.TB, c.s)
}

// show quotes a key, shortened.
func show(key string) string {
	if len(key) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", key[:40], len(key))
	}
	return fmt.Sprintf("%q", key)
}

// capabilityRules hold that the store is what the harness says.
var capabilityRules = []rule{{
	name: "Capabilities",
	says: "A store has the capabilities that it is meant to have.",
	run: func(c *check) {
		for _, want := range c.h.Want {
			if !want.of(c.s) {
				c.Errorf("%T is no %s", c.s, want)
			}
		}
	},
}}
