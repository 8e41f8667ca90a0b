// Package view is what the in-process stores have in common: typed views of
// memory that views of other types share.
//
// The memory is of one engine that holds an [Item] per key, whatever its type,
// under the hash that the view gives the key. The item knows its key and its
// view, so that two keys with one hash are a miss and never a mix-up.
package view

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"

	"github.com/lokroom/strata/store"
)

// A View is the part of a typed view that all engines need: hashing, items and
// counters. Make one with [New].
type View[T any] struct {
	// Counters counts what is done through the view.
	Counters

	// Mask is and-ed to every hash. Tests clear bits of it before the first
	// use, to have different keys collide.
	Mask uint64

	samplers samplers
	removal  removal

	seed maphash.Seed // of its own, so that views of a budget do not collide
	cost func(key string, e *store.Entry[T]) int64
	gen  atomic.Pointer[generation]
}

// New returns a View in which entries cost what cost says, but at least 1. A nil
// cost counts the bytes that an entry takes: overhead, which is what the engine
// adds to an item, the item with its key and tags, and the value as measured by
// deep or, if that is more, by the Size of the entry.
func New[T any](cost func(string, *store.Entry[T]) int64, deep func(*T) int, overhead int) *View[T] {
	v := &View[T]{Mask: ^uint64(0), seed: maphash.MakeSeed(), cost: cost}
	if cost == nil {
		fixed := int(unsafe.Sizeof(typed[T]{})-unsafe.Sizeof(*new(T))) + overhead
		v.cost = func(key string, e *store.Entry[T]) int64 {
			n := fixed + len(key) + max(deep(&e.Value), e.Size)
			for _, tag := range e.Tags {
				n += int(unsafe.Sizeof(tag)) + len(tag)
			}
			return int64(n)
		}
	}
	v.Clear()
	return v
}

// Hash returns the hash of key in this view.
func (v *View[T]) Hash(key string) uint64 { return maphash.String(v.seed, key) & v.Mask }

// Clear disowns all items that were made before.
func (v *View[T]) Clear() {
	if old := v.gen.Swap(&generation{counters: &v.Counters, removal: &v.removal, removed: v.removed}); old != nil {
		old.over.Store(true)
	}
}

// Stats returns the counters, with the sizes of what was charged since Clear.
func (v *View[T]) Stats() store.Stats {
	s := v.sum()
	gen := v.gen.Load()
	s.Entries, s.Bytes = gen.entries.Load(), gen.bytes.Load()
	return s
}

// A generation is the items that a view made between two Clears.
type generation struct {
	counters       *Counters // of the view
	removal        *removal  // the same
	removed        func(it *Item, cause string)
	entries, bytes atomic.Int64
	over           atomic.Bool // another one has begun
}
