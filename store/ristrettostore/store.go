// Package ristrettostore keeps entries in the memory of the process, by the
// engine of [github.com/dgraph-io/ristretto/v2]: TinyLFU, which admits a new
// entry if its key is asked for more often than the ones that it would push out.
//
// The engine applies Sets later and drops them under load. Here a Set can be
// read at once, and what it replaced never comes back: see cell.go for how. What
// remains is that the engine may refuse a new entry, at once or a moment
// later; Stats counts it as Rejected. See package otterstore for an engine
// that is quicker and drops no Set.
package ristrettostore

import (
	"context"

	"github.com/lokroom/strata/internal/size"
	"github.com/lokroom/strata/internal/view"
	"github.com/lokroom/strata/store"
)

// Options are the options of a [Store]. The zero value and nil are the defaults.
type Options[T any] struct {
	// Cost says how many bytes of the budget an entry takes; less than 1
	// counts as 1. It is called by Set, before the entry can be read, and
	// must not keep or change the entry.
	//
	// Nil: what the entry takes in memory, as estimated from the key, the
	// tags and all that the value refers to, or its Size if that is more. It
	// takes some 100 ns for a struct with a few strings. Have a function of
	// your own for values that refer to something large that they share.
	Cost func(key string, e *store.Entry[T]) int64
}

// A Store is a view of a [Budget] for entries of one type. Two stores of one
// budget do not see each other's entries. It takes some 2 KiB of counters for
// as long as its budget lives, and need not be closed.
//
// An entry that costs more than the whole budget is not kept; Stats counts it
// as Rejected. Entries that were cleared take up memory until they are asked
// for again or the engine pushes them out, and so do those that have expired.
// Calls do their work even if their context is done.
type Store[T any] struct {
	budget *Budget
	view   *view.View[T]
}

var (
	_ store.Store[int]     = (*Store[int])(nil)
	_ store.Expirer        = (*Store[int])(nil)
	_ store.PatternDeleter = (*Store[int])(nil)
	_ store.Viewer[int]    = (*Store[int])(nil)
	_ store.Clearer        = (*Store[int])(nil)
	_ store.Reporter       = (*Store[int])(nil)
	_ store.HitSampler     = (*Store[int])(nil)
	_ store.RemovalSampler = (*Store[int])(nil)
)

// New returns an empty store in b.
func New[T any](b *Budget, o *Options[T]) *Store[T] {
	if o == nil {
		o = new(Options[T])
	}
	s := &Store[T]{budget: b, view: view.New(o.Cost, size.Of[T](), empty)}
	b.mu.Lock()
	b.views = append(b.views, &s.view.Counters)
	b.mu.Unlock()
	return s
}

// Get implements [store.Store].
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	e, err := s.View(ctx, key)
	if err != nil {
		return store.Entry[T]{}, err
	}
	return *e, e.MissError()
}

// View implements [store.Viewer].
func (s *Store[T]) View(_ context.Context, key string) (*store.Entry[T], error) {
	h := s.view.Hash(key)
	n := s.view.Mine()
	n.Begun.Add(1) // so that Close can wait for the end
	if s.budget.closed.Load() {
		n.Misses.Add(1)
		return nil, failure("get", key, store.ErrClosed)
	}
	it := s.budget.find(h)
	if e := s.view.Entry(it, key); e != nil {
		if !s.budget.clock.Passed(e.ExpiresAt) {
			s.view.Hit(n, key)
			return e, nil
		}
		s.drop(h, it)
	}
	n.Misses.Add(1)
	return nil, store.ErrNotFound
}

// Set implements [store.Store].
func (s *Store[T]) Set(_ context.Context, key string, e store.Entry[T]) error {
	b, h := s.budget, s.view.Hash(key)
	if b.closed.Load() {
		return failure("set", key, store.ErrClosed)
	}
	s.view.At(h).Sets.Add(1)
	if b.clock.Passed(e.ExpiresAt) {
		_, err := s.remove("set", h, key)
		return err
	}
	it := s.view.Item(key, &e)
	if it.Cost > b.max.Load() {
		it.Rejected()
		_, err := s.remove("set", h, key)
		return err
	}
	if !b.update(h, func(*view.Item) *view.Item { return it }) {
		return failure("set", key, store.ErrClosed)
	}
	return nil
}

// Delete implements [store.Store].
func (s *Store[T]) Delete(_ context.Context, keys ...string) error {
	if s.budget.closed.Load() {
		return failure("delete", "", store.ErrClosed)
	}
	for _, key := range keys {
		h := s.view.Hash(key)
		was, err := s.remove("delete", h, key)
		if err != nil {
			return err
		}
		if was {
			s.view.At(h).Deletes.Add(1)
		}
	}
	return nil
}

// remove removes the entry under key, which has the hash h, and reports whether
// there was one.
func (s *Store[T]) remove(op string, h uint64, key string) (was bool, err error) {
	open := s.budget.update(h, func(now *view.Item) *view.Item {
		e := s.view.Entry(now, key)
		if e == nil {
			return now
		}
		was = !s.budget.clock.Passed(e.ExpiresAt)
		return nil
	})
	if !open {
		return false, failure(op, key, store.ErrClosed)
	}
	return was, nil
}

// drop removes it, which has expired, unless something else has taken its place.
func (s *Store[T]) drop(h uint64, it *view.Item) {
	s.budget.update(h, func(now *view.Item) *view.Item {
		if now == it {
			return nil
		}
		return now
	})
}

func failure(op, key string, err error) error {
	return &store.Error{Store: "ristretto", Op: op, Key: key, Err: err}
}
