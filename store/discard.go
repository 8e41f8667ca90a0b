package store

import "context"

// Discard returns a Store that keeps nothing: Get does not find, Set and Delete
// do nothing. It takes the place of a tier that is left out.
func Discard[T any]() Store[T] { return discard[T]{} }

type discard[T any] struct{}

var _ Viewer[int] = discard[int]{}

func (discard[T]) Get(context.Context, string) (Entry[T], error) { return Entry[T]{}, ErrNotFound }
func (discard[T]) View(context.Context, string) (*Entry[T], error) {
	return nil, ErrNotFound // Get would cost the caller an entry on the heap
}
func (discard[T]) Set(context.Context, string, Entry[T]) error { return nil }
func (discard[T]) Delete(context.Context, ...string) error     { return nil }
func (discard[T]) Clear(context.Context) error                 { return nil }
