// Package otterstore keeps entries in the memory of the process, by the engine
// of [github.com/maypok86/otter/v2]: W-TinyLFU, which decides by how often and
// how recently entries were used.
//
// What was set can be read at once, a hit takes no lock and allocates nothing,
// and entries of all types share one [Budget] in bytes. See package
// ristrettostore for the other engine.
package otterstore

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
// budget do not see each other's entries. It costs next to nothing, and need
// not be closed.
//
// An entry that costs more than the whole budget is not kept; Stats counts it
// as Rejected. Entries that have expired take up memory until they are asked for
// again or the engine pushes them out, as it does with what is not used. Calls
// do their work even if their context is done.
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
	return &Store[T]{budget: b, view: view.New(o.Cost, size.Of[T](), overhead)}
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
	b := s.budget
	if b.closed.Load() {
		return nil, failure("get", key, store.ErrClosed)
	}
	h := s.view.Hash(key)
	it, _ := b.cache.GetIfPresent(h)
	if e := s.view.Entry(it, key); e != nil {
		if !b.clock.Passed(e.ExpiresAt) {
			s.view.Hit(s.view.Mine(), key)
			return e, nil
		}
		b.remove(h, func(now *view.Item) bool { return now == it })
	}
	s.view.Mine().Misses.Add(1)
	return nil, store.ErrNotFound
}

// Set implements [store.Store].
func (s *Store[T]) Set(_ context.Context, key string, e store.Entry[T]) error {
	b := s.budget
	if b.closed.Load() {
		return failure("set", key, store.ErrClosed)
	}
	h := s.view.Hash(key)
	s.view.At(h).Sets.Add(1)
	if b.clock.Passed(e.ExpiresAt) {
		s.remove(h, key)
		return nil
	}
	it := s.view.Item(key, &e)
	if it.Cost > b.max.Load() {
		s.remove(h, key)
		it.Rejected()
		return nil
	}
	b.put(h, it)
	return nil
}

// Delete implements [store.Store].
func (s *Store[T]) Delete(_ context.Context, keys ...string) error {
	if s.budget.closed.Load() {
		return failure("delete", "", store.ErrClosed)
	}
	for _, key := range keys {
		if h := s.view.Hash(key); s.remove(h, key) {
			s.view.At(h).Deletes.Add(1)
		}
	}
	return nil
}

// remove removes the entry under key, which has the hash h, and reports whether
// there was one.
func (s *Store[T]) remove(h uint64, key string) bool {
	live := false
	s.budget.remove(h, func(it *view.Item) bool {
		e := s.view.Entry(it, key)
		live = e != nil && !s.budget.clock.Passed(e.ExpiresAt)
		return e != nil
	})
	return live
}

func failure(op, key string, err error) error {
	return &store.Error{Store: "otter", Op: op, Key: key, Err: err}
}
