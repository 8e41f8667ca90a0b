package view

import (
	"unsafe"

	"github.com/lokroom/strata/store"
)

// An Item is an entry as an engine holds it, whatever its type. It is never
// changed once it was made. There is one for each key in memory, so it has only what is
// nowhere else.
type Item struct {
	Key  string
	Cost int64 // at least 1

	gen *generation
}

// typed is an item together with its entry: one allocation. Every Item is the first field
// of one.
type typed[T any] struct {
	Item
	value store.Entry[T]
}

// Item returns an item for e under key.
func (v *View[T]) Item(key string, e *store.Entry[T]) *Item {
	t := v.item(key, e)
	t.Cost = max(1, v.cost(key, &t.value))
	return &t.Item
}

func (v *View[T]) item(key string, e *store.Entry[T]) *typed[T] {
	t := &typed[T]{value: *e}
	if e.Absent {
		t.value.Value = *new(T)
	}
	t.Item = Item{Key: key, gen: v.gen.Load()}
	return t
}

// Entry returns the entry of it, or nil if it is not the one of this view under
// key, or was disowned. It must not be changed. it may be nil.
func (v *View[T]) Entry(it *Item, key string) *store.Entry[T] {
	if it == nil || it.gen != v.gen.Load() || it.Key != key {
		return nil
	}
	// A generation is of one view, so the type fits: its items are in a typed[T].
	return &(*typed[T])(unsafe.Pointer(it)).value
}

// Owns reports whether it is an item of this view that was not disowned.
func (v *View[T]) Owns(it *Item) bool { return it.gen == v.gen.Load() }

// Disowned reports whether the view of the item was cleared since it was made.
func (it *Item) Disowned() bool { return it.gen.over.Load() }

// Expiring returns a copy of it, an item of this view, with the hard expiry at,
// zero for never. The soft expiry moves along; without a hard one to measure
// from it stays where it is.
func (v *View[T]) Expiring(it *Item, e *store.Entry[T], at store.Time) *Item {
	t := v.item(it.Key, e)
	t.gen, t.Cost = it.gen, it.Cost
	switch {
	case at == 0:
		t.value.StaleAt = 0
	case e.StaleAt != 0 && e.ExpiresAt != 0:
		// One that would lie before the epoch is as stale as one at it.
		t.value.StaleAt = max(1, at-(e.ExpiresAt-e.StaleAt))
	}
	t.value.ExpiresAt = at
	return &t.Item
}

// Charge counts the item as held by the engine.
func (it *Item) Charge() {
	it.gen.entries.Add(1)
	it.gen.bytes.Add(it.Cost)
}

// Release takes back a Charge.
func (it *Item) Release() {
	it.gen.entries.Add(-1)
	it.gen.bytes.Add(-it.Cost)
}

// Evicted counts that the item had to make room. Removed must be called, too.
func (it *Item) Evicted() { it.gen.counters.Mine().Evictions.Add(1) }

// Rejected counts that the item was set but not kept.
func (it *Item) Rejected() { it.gen.counters.Mine().Rejected.Add(1) }
