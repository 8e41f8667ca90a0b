package codec

import (
	"reflect"
	"sync"
	"time"
)

// A Canonicalizer is a [Codec] that has one form for values that differ in what it does not
// carry, such as the zone of a time.
type Canonicalizer[T any] interface {
	// Canonical returns v in the form in which Decode returns it. It does not change what
	// v points to: where something there has another form, it returns a copy.
	Canonical(v T) T
}

// Canonical returns v in the form in which c decodes it, as [Canonicalizer] describes it.
// Without the capability it returns v.
//
// [Msgpack] and [JSON] carry instants: times are in UTC and have no monotonic reading, so
// that all processes print and compare them alike.
func Canonical[T any](c Codec[T], v T) T {
	if k, ok := c.(Canonicalizer[T]); ok {
		return k.Canonical(v)
	}
	return v
}

// A timeMap says where in values of a type there may be times.
type timeMap struct {
	any       bool  // there are, or there is an any that may hold one
	fields    []int // of a struct: where they are
	recursive bool  // the type is reached from itself, or holds an any: values may refer to themselves
}

var timeMaps sync.Map // *timeMap by reflect.Type

func timesOf(t reflect.Type) *timeMap {
	if m, ok := timeMaps.Load(t); ok {
		return m.(*timeMap)
	}
	m := &timeMap{any: reaches(t, holdsForms, nil), recursive: isRecursive(t)}
	if t.Kind() == reflect.Struct && t != timeType {
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && reaches(f.Type, holdsForms, nil) {
				m.fields = append(m.fields, i)
			}
		}
	}
	timeMaps.Store(t, m)
	return m
}

// isRecursive reports whether values of t may refer to themselves.
func isRecursive(t reflect.Type) bool {
	return t != timeType && (reaches(t, isAny, nil) || reachesItself(t, t, nil))
}

// A utcWalk puts the times of a value into UTC, and what else has several forms into the one
// that is decoded.
type utcWalk struct {
	own     bool // what pointers and slices of the value refer to may be changed
	compact bool // raw JSON loses its white space
	seen    map[referent]reflect.Value
}

// A referent is what a pointer, a slice or a map refers to. The walk keeps those of values that
// may refer to themselves, with what it has put there instead.
type referent struct {
	at  uintptr
	len int
	typ reflect.Type
}

func referentOf(v reflect.Value) referent {
	p := referent{v.Pointer(), 0, v.Type()}
	if v.Kind() == reflect.Slice {
		p.len = v.Len()
	}
	return p
}

// inUTC puts the times of *v into UTC as how says. If how.own is not set, it changes *v alone,
// and copies what that refers to.
func inUTC[T any](v *T, how utcWalk) {
	t := reflect.TypeFor[T]()
	if !timesOf(t).any {
		return
	}
	root := reflect.ValueOf(v).Elem()
	if w := how; w.finds(root) {
		how.change(root)
	}
}

func utc(t time.Time) time.Time { return t.Round(0).UTC() } // without the monotonic reading

// enters reports whether the walk has not been to what v refers to.
func (w *utcWalk) enters(v, instead reflect.Value) bool {
	if !timesOf(v.Type()).recursive {
		return true
	}
	p := referentOf(v)
	if _, ok := w.seen[p]; ok {
		return false
	}
	if w.seen == nil {
		w.seen = make(map[referent]reflect.Value)
	}
	w.seen[p] = instead
	return true
}

// finds reports whether there is a time in v that is not in UTC.
func (w *utcWalk) finds(v reflect.Value) bool {
	t := v.Type()
	if t == timeType {
		if !v.CanInterface() {
			return false
		}
		at := timeAt(v)
		return at != utc(at)
	}
	if hasForms(t) {
		_, other := w.bytesInForm(v)
		return other
	}
	m := timesOf(t)
	if !m.any {
		return false
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, i := range m.fields {
			if w.finds(v.Field(i)) {
				return true
			}
		}
	case reflect.Array:
		return w.findsIn(v)
	case reflect.Interface:
		return !v.IsNil() && w.finds(v.Elem())
	case reflect.Pointer:
		return !v.IsNil() && w.enters(v, v) && w.finds(v.Elem())
	case reflect.Slice:
		return v.Len() > 0 && w.enters(v, v) && w.findsIn(v)
	case reflect.Map:
		if v.Len() == 0 || !w.enters(v, v) {
			return false
		}
		for i := v.MapRange(); i.Next(); {
			if w.finds(i.Key()) || w.finds(i.Value()) {
				return true
			}
		}
	}
	return false
}

func (w *utcWalk) findsIn(v reflect.Value) bool {
	for i := range v.Len() {
		if w.finds(v.Index(i)) {
			return true
		}
	}
	return false
}

func timeAt(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// change puts the times of v, which is addressable and may be changed, into UTC.
func (w *utcWalk) change(v reflect.Value) {
	m := timesOf(v.Type())
	if !m.any || !v.CanSet() && v.Kind() != reflect.Struct {
		return
	}
	if t := v.Type(); t == ipType || t == rawType {
		short, _ := w.bytesInForm(v)
		v.Set(short)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			if v.CanSet() {
				t := v.Addr().Interface().(*time.Time)
				*t = utc(*t)
			}
			return
		}
		for _, i := range m.fields {
			w.change(v.Field(i))
		}
	case reflect.Array:
		w.changeIn(v)
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(w.changed(v.Elem()))
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if !v.IsNil() {
			w.changeReferred(v)
		}
	}
}

func (w *utcWalk) changeIn(v reflect.Value) {
	for i := range v.Len() {
		w.change(v.Index(i))
	}
}

// changed returns a copy of v with its times in UTC.
func (w *utcWalk) changed(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	w.change(c)
	return c
}

// changeReferred has v, which is a pointer, a slice or a map, refer to what has its times in UTC.
func (w *utcWalk) changeReferred(v reflect.Value) {
	instead := v
	switch {
	case v.Kind() == reflect.Map:
		instead = reflect.MakeMapWithSize(v.Type(), v.Len())
	case w.own:
		instead = reflect.ValueOf(v.Interface()) // v itself is set below
	case v.Kind() == reflect.Pointer:
		instead = reflect.New(v.Type().Elem())
		instead.Elem().Set(v.Elem())
		instead = instead.Convert(v.Type())
	default:
		instead = reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(instead, v)
	}
	if !w.enters(v, instead) {
		v.Set(w.seen[referentOf(v)])
		return
	}
	switch v.Kind() {
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			instead.SetMapIndex(w.changed(i.Key()), w.changed(i.Value()))
		}
	case reflect.Pointer:
		w.change(instead.Elem())
	default:
		w.changeIn(instead)
	}
	v.Set(instead)
}
