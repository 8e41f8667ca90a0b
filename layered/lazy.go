package layered

import "sync/atomic"

// A lazy is a T that is made when it is first used: an unused Store takes little
// memory. The zero lazy is ready to use. Its methods may be called concurrently.
type lazy[T any] struct{ made atomic.Pointer[T] }

// get returns the T, which it makes if need be.
func (l *lazy[T]) get() *T {
	if t := l.made.Load(); t != nil {
		return t
	}
	l.made.CompareAndSwap(nil, new(T))
	return l.made.Load()
}

// peek returns the T, or nil if it was not made yet.
func (l *lazy[T]) peek() *T { return l.made.Load() }
