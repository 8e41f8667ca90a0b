// Package storetest is the conformance suite of package store: a backend that
// passes it keeps the contract, as far as tests can show.
//
// A backend runs it from one test:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			Open: func(t testing.TB) store.Store[storetest.Value] {
//				return mystore.New[storetest.Value](nil)
//			},
//			Want: []storetest.Capability{storetest.Counter, storetest.Clearer},
//		})
//	}
//
// Each rule of the contract is one subtest, and each failure ends with the
// sentence of the rule. The rules of the three methods of [store.Store] run
// against every store; those of a capability against a store that has it; some
// need a function of the [Harness] and run if it is set. Nothing is skipped: what
// does not apply is not run.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// A Harness says how [Run] gets at the stores under test, and what is to be
// expected of them. Only Open is required.
type Harness struct {
	// Open returns a new empty store that no other test uses, and has it closed
	// at the end of t. It is called concurrently. All stores may share a
	// server if they do not share keys.
	Open func(t testing.TB) store.Store[Value]

	// Close closes the resource that s rests on, so that every later call is to
	// return ErrClosed. It must do no harm to other stores under test, nor to
	// the cleanup of s. Nil: the store cannot be closed.
	Close func(s store.Store[Value])

	// Peer returns another store over the data of s, as another process would
	// open it, and has it closed at the end of t. Nil: the data is not shared.
	Peer func(t testing.TB, s store.Store[Value]) store.Store[Value]

	// Neighbour returns an empty store that shares a server or a budget with s
	// but not its keys, and has it closed at the end of t. Nil: nothing is shared.
	Neighbour func(t testing.TB, s store.Store[Value]) store.Store[Value]

	// Disconnect cuts s off from what it rests on, and no other store, until reconnect is
	// called. Nil: that cannot be done.
	Disconnect func(s store.Store[Value]) (reconnect func())

	// Rollback has what s rests on go back in time, or look as if it did. Nil: that cannot
	// be done.
	Rollback func(s store.Store[Value])

	// Settle returns when all that was done to s so far has taken full effect.
	// It is called before counters are read. Nil: it has when a call returns.
	Settle func(s store.Store[Value])

	// Lossy says that the store may forget an entry, or not keep it in the first
	// place, although there is room. A rule that needs the entry then begins
	// again with a new store, ten times at most.
	Lossy bool

	// KeepsLoadedAt says that LoadedAt and LoadTime come back with the entry. If
	// false they may be zero.
	KeepsLoadedAt bool

	// Plain says that the store keeps values and how long they live, and nothing
	// else: what has a soft expiry ends with it, and what is absent or has tags is
	// not kept. Rules about the rest of an entry are not run.
	Plain bool

	// ExpiryError is by how much the expiry times of an entry that is returned
	// may differ from those that were set, and for how long after its expiry
	// an entry may be returned. Zero: 2 ms.
	ExpiryError time.Duration

	// MaxValue is the size in bytes of the largest value that the suite sets.
	// Zero: 1 MiB.
	MaxValue int

	// TooLarge is the size in bytes of a value that the store must refuse with
	// ErrTooLarge. Zero: there is no such size.
	TooLarge int

	// Want are the capabilities that the store is meant to have. The suite fails
	// if it lacks one, so that a typo in a method does not make it vanish.
	Want []Capability

	deadline time.Duration // for what a store does in its own time; zero: 10 s
}

// A Capability is an optional interface of package store.
type Capability string

// The capabilities, each named after its interface.
const (
	ManyGetter     Capability = "ManyGetter"
	ManySetter     Capability = "ManySetter"
	Expirer        Capability = "Expirer"
	Counter        Capability = "Counter"
	PatternDeleter Capability = "PatternDeleter"
	Clearer        Capability = "Clearer"
	Tagger         Capability = "Tagger"
	Pinger         Capability = "Pinger"
	Reporter       Capability = "Reporter"
	Watcher        Capability = "Watcher"
	Filler         Capability = "Filler"
	Reviser        Capability = "Reviser"
	HitSampler     Capability = "HitSampler"
	HotKeeper      Capability = "HotKeeper"
	Leaser         Capability = "Leaser"
	Writer         Capability = "Writer"
	Viewer         Capability = "Viewer"
)

// invalidates is the part of Tagger that a store of tiers has, too.
const invalidates Capability = "InvalidateTags"

// An invalidator invalidates tags.
type invalidator interface {
	InvalidateTags(ctx context.Context, tags ...string) error
}

// Capabilities returns all capabilities.
func Capabilities() []Capability {
	return []Capability{
		ManyGetter, ManySetter, Expirer, Counter, PatternDeleter, Clearer, Tagger,
		Pinger, Reporter, Watcher, Filler, Reviser, HitSampler, HotKeeper,
		Leaser, Writer,
		Viewer,
	}
}

// of reports whether s has the capability.
func (c Capability) of(s store.Store[Value]) (ok bool) {
	switch c {
	case ManyGetter:
		_, ok = s.(store.ManyGetter[Value])
	case ManySetter:
		_, ok = s.(store.ManySetter[Value])
	case Expirer:
		_, ok = s.(store.Expirer)
	case Counter:
		_, ok = s.(store.Counter)
	case PatternDeleter:
		_, ok = s.(store.PatternDeleter)
	case Clearer:
		_, ok = s.(store.Clearer)
	case invalidates:
		_, ok = s.(invalidator)
	case Tagger:
		_, ok = s.(store.Tagger)
	case Pinger:
		_, ok = s.(store.Pinger)
	case Reporter:
		_, ok = s.(store.Reporter)
	case Watcher:
		_, ok = s.(store.Watcher)
	case Filler:
		_, ok = s.(store.Filler[Value])
	case Reviser:
		_, ok = s.(store.Reviser[Value])
	case HitSampler:
		_, ok = s.(store.HitSampler)
	case HotKeeper:
		_, ok = s.(store.HotKeeper)
	case Leaser:
		_, ok = s.(store.Leaser[Value])
	case Writer:
		_, ok = s.(store.Writer[Value])
	case Viewer:
		_, ok = s.(store.Viewer[Value])
	}
	return ok
}

// Run runs the suite. Its subtests run in parallel with one another.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("storetest: Harness.Open is nil")
	}
	s := h.Open(t)
	for _, r := range rules() {
		if r.applies(h, s) {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.check(t, h)
			})
		}
	}
}
