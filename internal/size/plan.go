package size

import (
	"reflect"
	"sync"
)

// A plan says where the values of a type refer to memory of their own.
type plan struct {
	kind   reflect.Kind // Invalid: nowhere
	size   int          // of a value itself
	elem   *plan        // of a pointer, slice, array or map
	key    *plan        // of a map
	fields []field      // of a struct: those that refer to anything
}

type field struct {
	index int
	plan  *plan
}

// flat reports whether a value takes no memory beyond itself.
func (p *plan) flat() bool { return p.kind == reflect.Invalid }

var plans sync.Map // reflect.Type to *plan, complete ones only

// planOf returns the plan for t. Two goroutines may make the same one; either
// will do.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := compile(t, map[reflect.Type]*plan{})
	plans.Store(t, p)
	return p
}

// compile makes the plan for t. Types that contain themselves do so behind a
// pointer, slice or map, which never have flat plans: so it is enough that such
// a type finds the plan in the making under made.
func compile(t reflect.Type, made map[reflect.Type]*plan) *plan {
	if p, ok := made[t]; ok {
		return p
	}
	p := &plan{size: int(t.Size())}
	made[t] = p
	if opaque[t] {
		return p
	}
	switch k := t.Kind(); k {
	case reflect.String, reflect.Interface:
		p.kind = k
	case reflect.Pointer, reflect.Slice:
		p.kind = k
		p.elem = compile(t.Elem(), made)
	case reflect.Map:
		p.kind = k
		p.key, p.elem = compile(t.Key(), made), compile(t.Elem(), made)
	case reflect.Array:
		if p.elem = compile(t.Elem(), made); !p.elem.flat() && t.Len() > 0 {
			p.kind = k
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := compile(t.Field(i).Type, made); !f.flat() {
				p.fields = append(p.fields, field{i, f})
			}
		}
		if p.fields != nil {
			p.kind = k
		}
	}
	return p
}
