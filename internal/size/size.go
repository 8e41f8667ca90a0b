// Package size estimates how many bytes of memory a value takes, with all that
// hangs from it, for caches with a budget in bytes.
//
// The estimate follows the layout of the Go runtime: strings, slices by their
// capacity, maps, pointers and what interfaces hold, each rounded up as the
// allocator does. A thing that is reached twice is counted once. To be quick it
// looks at no more than a sample of the elements of a long slice, array or map,
// and stops after a few thousand steps: a long linked list or a large tree is
// therefore counted too small. Functions and channels count as a pointer.
package size

import (
	"reflect"
	"time"
)

const (
	// sample is how many elements of a slice, array or map are looked at.
	sample = 64

	// maxSteps and maxDepth bound one measurement.
	maxSteps = 4096
	maxDepth = 64
)

// Of returns a function that estimates the size of a T: of the T itself and of
// what it refers to. The plan for T is made once, here. The function does not
// change the value, and may be called concurrently. For strings, byte slices
// and types without references it costs a few nanoseconds and no allocation.
func Of[T any]() func(*T) int {
	var f any
	switch any((*T)(nil)).(type) {
	case *string:
		f = func(s *string) int { return stringHeader + round(len(*s)) }
	case *[]byte:
		f = func(b *[]byte) int { return sliceHeader + round(cap(*b)) }
	}
	if f, ok := f.(func(*T) int); ok {
		return f
	}
	t := reflect.TypeFor[T]()
	p := planOf(t)
	shallow := int(t.Size())
	if p.flat() {
		return func(*T) int { return shallow }
	}
	return func(v *T) int {
		var w walker
		return shallow + w.beyond(p, reflect.ValueOf(v).Elem(), 0)
	}
}

const (
	stringHeader = 16
	sliceHeader  = 24
)

// opaque are types with references to what the process has once anyway.
var opaque = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():      true, // its *Location
	reflect.TypeFor[*time.Location](): true,
	reflect.TypeFor[reflect.Type]():   true,
}
