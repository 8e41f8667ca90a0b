package memstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// A Shared store is one client of a memory that several share. It has every capability of
// package store, as a client of Redis has. It works inside testing/synctest: it starts no
// goroutine, and all times are those of package time.
type Shared[T any] struct{ *Store[T] }

var (
	_ store.Viewer[int] = (*Shared[int])(nil)
	_ store.Tagger      = (*Shared[int])(nil)
	_ store.Leaser[int] = (*Shared[int])(nil)
	_ store.Writer[int] = (*Shared[int])(nil)
)

// NewShared returns a client of a new, empty memory. [Shared.Peer] returns others.
func NewShared[T any](o *Options) *Shared[T] {
	s := &Shared[T]{New[T](o)}
	s.shared = true
	return s
}

// Peer returns another client of the memory of s, as another process would be one. It has
// its own counters and its own connection. The watchers of s are notified of what it
// fills, its own are not.
func (s *Shared[T]) Peer() *Shared[T] { return &Shared[T]{s.Store.Peer()} }

// Limit sets what decides which values can be stored: a write of a value for which
// storable returns an error fails, as with a backend that cannot encode the value.
// The error should be [store.ErrUnstorable] or [store.ErrTooLarge]. It applies to all
// peers. storable must not call the store. Nil: all values can be stored.
func (s *Shared[T]) Limit(storable func(key string, value T) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storable = storable
}

// Before sets a function that is called before each operation of s, as in a store.Error: it
// may block, for a process that is stopped or a network that is slow. It is not called with
// a lock held. Call Before before s is used.
func (s *Shared[T]) Before(fn func(op, key string)) { s.before = fn }

// View implements [store.Viewer].
func (s *Shared[T]) View(ctx context.Context, key string) (*store.Entry[T], error) {
	e, err := s.Get(ctx, key)
	if err != nil && !e.Absent {
		return nil, err
	}
	return &e, nil
}
