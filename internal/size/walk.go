package size

import (
	"math/bits"
	"reflect"
	"unsafe"
)

// A walker is one measurement.
type walker struct {
	steps int
	few   [16]unsafe.Pointer // what was counted, the first of it
	nfew  int
	more  map[unsafe.Pointer]struct{}
}

// again reports whether the memory at p has been counted, and notes that it is.
func (w *walker) again(p unsafe.Pointer) bool {
	for _, q := range w.few[:w.nfew] {
		if p == q {
			return true
		}
	}
	if w.nfew < len(w.few) {
		w.few[w.nfew] = p
		w.nfew++
		return false
	}
	if _, ok := w.more[p]; ok {
		return true
	}
	if w.more == nil {
		w.more = make(map[unsafe.Pointer]struct{})
	}
	w.more[p] = struct{}{}
	return false
}

// beyond returns how much memory v takes beyond its own p.size bytes.
func (w *walker) beyond(p *plan, v reflect.Value, depth int) int {
	if w.steps++; w.steps > maxSteps || depth > maxDepth {
		return 0
	}
	switch p.kind {
	case reflect.String:
		return round(v.Len())
	case reflect.Struct:
		n := 0
		for _, f := range p.fields {
			n += w.beyond(f.plan, v.Field(f.index), depth+1)
		}
		return n
	case reflect.Array:
		return w.elements(p.elem, v, depth)
	case reflect.Slice:
		return w.slice(p, v, depth)
	case reflect.Map:
		return w.mapping(p, v, depth)
	case reflect.Pointer:
		if v.IsNil() || w.again(v.UnsafePointer()) {
			return 0
		}
		return round(p.elem.size) + w.beyond(p.elem, v.Elem(), depth+1)
	case reflect.Interface:
		return w.dynamic(v, depth)
	}
	return 0
}

func (w *walker) slice(p *plan, v reflect.Value, depth int) int {
	// Two slices of one array may overlap in any way: only those that begin
	// at the same place are taken for the same.
	if v.Cap() == 0 || p.elem.size == 0 || w.again(v.UnsafePointer()) {
		return 0
	}
	n := round(v.Cap() * p.elem.size)
	if !p.elem.flat() {
		n += w.elements(p.elem, v, depth)
	}
	return n
}

// elements returns what the elements of the array or slice v take beyond
// themselves, from a sample that is spread over its length.
func (w *walker) elements(p *plan, v reflect.Value, depth int) int {
	length := v.Len()
	looked := min(length, sample)
	n := 0
	for i := range looked {
		n += w.beyond(p, v.Index(i*length/looked), depth+1)
	}
	return scale(n, length, looked)
}

func (w *walker) mapping(p *plan, v reflect.Value, depth int) int {
	if v.IsNil() || w.again(v.UnsafePointer()) {
		return 0
	}
	length := v.Len()
	n := tableSize(length, p.key.size, p.elem.size)
	if length == 0 || p.key.flat() && p.elem.flat() {
		return n
	}
	held, looked := 0, 0
	for it := v.MapRange(); looked < sample && it.Next(); looked++ {
		if !p.key.flat() {
			held += w.beyond(p.key, it.Key(), depth+1)
		}
		if !p.elem.flat() {
			held += w.beyond(p.elem, it.Value(), depth+1)
		}
	}
	return n + scale(held, length, looked)
}

func (w *walker) dynamic(v reflect.Value, depth int) int {
	if v.IsNil() {
		return 0
	}
	v = v.Elem()
	p := planOf(v.Type())
	n := w.beyond(p, v, depth+1)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return n // kept in the interface itself
	}
	return n + round(p.size)
}

// tableSize returns the memory of a map with n entries: groups of 8 slots and a
// control word, at most 7/8 full, in tables with a number of slots that is a power of
// two (see internal/runtime/maps). Which of two powers it is depends on how the
// map grew, so it counts the usual one.
func tableSize(n, key, elem int) int {
	const header, group, most = 48, 8, 128
	if n == 0 {
		return header
	}
	indirect := 0
	if key > most { // kept behind a pointer
		indirect += round(key)
		key = 8
	}
	if elem > most {
		indirect += round(elem)
		elem = 8
	}
	slot := key + elem
	if key >= 8 || elem >= 8 {
		slot = up(slot, 8)
	}
	slots := group
	if n > group {
		slots = 1 << bits.Len(uint(n*8/7))
	}
	return header + round(slots*slot+slots) + n*indirect
}

// scale returns n, which was found on looked elements, for length of them.
func scale(n, length, looked int) int {
	if looked == length || looked == 0 {
		return n
	}
	return int(float64(n) * float64(length) / float64(looked))
}

// round returns what the allocator gives for n bytes: multiples of 16 up to
// 128, an eighth of a power of two up to 32 KiB, and whole pages above. (The
// classes in internal/runtime/gc are this regular but for a few.)
func round(n int) int {
	switch {
	case n <= 0:
		return 0
	case n <= 8:
		return 8
	case n <= 128:
		return up(n, 16)
	case n <= 32<<10:
		return up(n, 1<<(bits.Len(uint(n-1))-4))
	default:
		return up(n, 8<<10)
	}
}

func up(n, to int) int { return (n + to - 1) / to * to }
