package codec

import (
	"reflect"
	"sync"
)

// holdsNew reports whether an interface in v holds what no verified value has held there.
// With add, it adds the types in v to those that have been verified.
func (c *verifyCodec[T]) holdsNew(v *T, add bool) bool {
	if !timesOf(reflect.TypeFor[T]()).dynamic {
		return false
	}
	n := novelty{held: &c.held, add: add}
	return n.in(reflect.ValueOf(v).Elem())
}

// A novelty is a walk through the interfaces in a value, which may be cyclic.
type novelty struct {
	held *sync.Map // reflect.Type
	add  bool
	seen map[referent]bool
}

func (n *novelty) in(v reflect.Value) (is bool) {
	if !timesOf(v.Type()).dynamic || n.visited(v) {
		return false
	}
	if v.Kind() == reflect.Interface && !v.IsNil() {
		is = n.isNew(v.Elem())
	}
	for part := range partsIn(v) {
		if is && !n.add {
			break
		}
		is = n.in(part) || is
	}
	return is
}

// isNew reports whether held, in an interface, may not round-trip. For a nil and an unsigned
// integer that depends on more than the type.
func (n *novelty) isNew(held reflect.Value) bool {
	if held.CanUint() || nilable(held.Kind()) && held.IsNil() {
		return true
	}
	if n.add {
		n.held.Store(held.Type(), true)
		return false
	}
	_, known := n.held.Load(held.Type())
	return !known
}

// visited reports whether the walk has been at the target of v, and notes it.
func (n *novelty) visited(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
	default:
		return false
	}
	at := referentOf(v)
	if n.seen[at] {
		return true
	}
	if n.seen == nil {
		n.seen = make(map[referent]bool)
	}
	n.seen[at] = true
	return false
}
