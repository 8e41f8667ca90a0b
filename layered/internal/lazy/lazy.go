// Package lazy has values that are allocated when they are first used, so that an unused
// Store takes little memory.
package lazy

import "sync/atomic"

// A Value is a T that is allocated on first use. The zero Value is ready to use. Its
// methods may be called concurrently.
type Value[T any] struct{ made atomic.Pointer[T] }

// Get returns the T, which it allocates if necessary.
func (v *Value[T]) Get() *T {
	if t := v.made.Load(); t != nil {
		return t
	}
	v.made.CompareAndSwap(nil, new(T))
	return v.made.Load()
}

// Peek returns the T, or nil if Get was not called yet.
func (v *Value[T]) Peek() *T { return v.made.Load() }
