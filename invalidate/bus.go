package invalidate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// A Backend applies invalidations to caches by their names. *strata.Backend is one.
type Backend interface {
	DeleteTexts(ctx context.Context, hold store.Hold, texts map[string][]string) error
	ClearCaches(ctx context.Context, names ...string) error // no name: all caches
	InvalidateTags(ctx context.Context, tags ...string) error
}

// BusOptions configure a [Bus]. Nil and the zero value select the defaults.
type BusOptions struct {
	// MaxIDs is the maximum number of ids of one cache that a Publish invalidates one by
	// one. If there are more, and the keys.Definition passed to [IDs] gives all of them a
	// tag in common, it invalidates the first such tag. Otherwise it clears the cache.
	// Either takes one exchange; strata.Hooks.Changed is not called for a tag. Ids with a
	// hold, which [Target.Older] sets, do not count and are always invalidated one by one.
	// 0: 10,000.
	MaxIDs int

	// Remember is the number of ids of which the bus remembers the last event, for [Verify].
	// Each takes about 100 bytes. 0: none.
	Remember int
}

// A Bus applies the rules to events. All methods are safe for concurrent use.
type Bus struct {
	rules   *Rules
	backend Backend
	maxIDs  int
	recent  recent
	stats   struct{ events, ids, tags, clears, failures atomic.Uint64 }
}

// BusStats counts what a [Bus] has done since it was made.
type BusStats struct {
	Events   uint64 `json:"events"`   // published or relayed, repeated ones included
	IDs      uint64 `json:"ids"`      // invalidated, without repeated ones of a batch
	Tags     uint64 `json:"tags"`     // likewise
	Clears   uint64 `json:"clears"`   // of caches
	Failures uint64 `json:"failures"` // calls that returned an error
}

// NewBus returns a bus that applies rules to the caches of b. It returns an error if the
// rules have mistakes. o may be nil.
func NewBus(rules *Rules, b Backend, o *BusOptions) (*Bus, error) {
	if rules == nil || b == nil {
		return nil, errors.New("invalidate: a bus needs rules and a backend")
	}
	if err := rules.Err(); err != nil {
		return nil, err
	}
	bus := &Bus{rules: rules, backend: b, maxIDs: 10_000}
	if o != nil && o.MaxIDs > 0 {
		bus.maxIDs = o.MaxIDs
	}
	if o != nil {
		bus.recent.most = o.Remember
	}
	return bus, nil
}

// Rules returns the rules of the bus.
func (b *Bus) Rules() *Rules { return b.rules }

// Publish invalidates what the rules return for events. Call it after the changes were
// committed. All caches are written to at once, and what several events have in common is
// invalidated once.
//
// This process stops serving the old values before Publish waits for Redis. If Redis is
// unreachable, the error wraps store.ErrUnavailable, and the backend retries: see
// strata.Cache.Delete. If the process crashes before, other processes may serve old values
// until they expire; package outbox closes that gap.
//
// If a rule panics, Publish clears the caches passed to [On] and returns an error. If an
// event has no rule, Publish applies the others, and the error wraps [ErrNoRule].
func (b *Bus) Publish(ctx context.Context, events ...any) error {
	all, err := b.targets(events)
	b.stats.events.Add(uint64(len(events)))
	return oneline.Join(err, b.Apply(ctx, all))
}

// Explain returns what [Bus.Publish] would invalidate, and why, without invalidating
// anything. It differs from [Rules.Explain] where there are more than MaxIDs ids of a cache,
// or where a rule fails. The error is that of the rules.
func (b *Bus) Explain(events ...any) (Targets, error) {
	all, err := b.targets(events)
	return b.coarse(all), err
}

// targets returns what the rules return for events, and the fallback where they fail.
func (b *Bus) targets(events []any) (all Targets, err error) {
	errs := make([]error, len(events))
	for i, event := range events {
		var ts Targets
		if ts, errs[i] = b.rules.Explain(event); errs[i] != nil && !errors.Is(errs[i], ErrNoRule) {
			ts = b.Fallback(b.nameOf(event))
		}
		all = append(all, ts...)
	}
	return all, oneline.Join(errs...)
}

func (b *Bus) nameOf(event any) string {
	k, err := b.rules.kindOf(event)
	if err != nil {
		return ""
	}
	return k.name
}

// Fallback returns targets that cover whatever an event of this name may invalidate: the
// caches passed to [On], or else all caches of the backend.
func (b *Bus) Fallback(name string) Targets {
	var ts Targets
	for _, c := range b.rules.fallback(name) {
		ts = append(ts, Target{Cache: c, All: true, Event: name})
	}
	if ts == nil {
		return Targets{{All: true, Event: name}}
	}
	return ts
}

// Apply invalidates targets as Publish does. A target with All and without a Cache is all
// caches of the backend.
func (b *Bus) Apply(ctx context.Context, targets Targets) error {
	if len(targets) == 0 {
		return nil
	}
	b.recent.add(targets)
	p := planOf(b.coarse(targets))
	var ids int
	var do []func() error
	for hold, texts := range p.texts {
		for _, of := range texts {
			ids += len(of)
		}
		do = append(do, func() error { return b.backend.DeleteTexts(ctx, hold, texts) })
	}
	if p.everything {
		do = append(do, func() error { return b.backend.ClearCaches(ctx) })
	} else if len(p.clears) > 0 {
		do = append(do, func() error { return b.backend.ClearCaches(ctx, p.clears...) })
	}
	if len(p.tags) > 0 {
		do = append(do, func() error { return b.backend.InvalidateTags(ctx, p.tags...) })
	}
	errs := make([]error, len(do))
	var wg sync.WaitGroup
	for i, f := range do {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	b.stats.ids.Add(uint64(ids))
	b.stats.tags.Add(uint64(len(p.tags)))
	b.stats.clears.Add(uint64(len(p.clears)))
	err := oneline.Join(errs...)
	if err != nil {
		b.stats.failures.Add(1)
	}
	return err
}

// last returns the last event of this bus that invalidated an id.
func (b *Bus) last(cache, text string) (event string, at time.Time) { return b.recent.of(cache, text) }

// Stats returns the counters of the bus.
func (b *Bus) Stats() BusStats {
	s := &b.stats
	return BusStats{Events: s.events.Load(), IDs: s.ids.Load(), Tags: s.tags.Load(), Clears: s.clears.Load(), Failures: s.failures.Load()}
}
