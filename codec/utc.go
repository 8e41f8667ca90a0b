package codec

import (
	"reflect"
	"sync"
	"time"
)

// A Canonicalizer is a [Codec] that decodes some distinct values as one, such as times that
// differ in their zone.
type Canonicalizer[T any] interface {
	// Canonical returns the form of v that Decode returns. It does not modify data that v
	// refers to; if that has another form, it returns a copy.
	Canonical(v T) T
}

// Canonical returns the form of v that c decodes, as described at [Canonicalizer]. If c is
// no Canonicalizer, it returns v.
//
// [Msgpack] and [JSON] encode instants: times are in UTC and have no monotonic reading, so
// that all processes print and compare them alike.
func Canonical[T any](c Codec[T], v T) T {
	if k, ok := c.(Canonicalizer[T]); ok {
		return k.Canonical(v)
	}
	return v
}

// A timeMap describes where values of a type may contain times.
type timeMap struct {
	any       bool  // it has times, or an any that may hold one
	fields    []int // indices of the struct fields that have them
	recursive bool  // values may be cyclic, because the type contains itself or an any
	endless   bool  // it contains a struct that embeds itself
	dynamic   bool  // it contains an interface
}

var timeMaps sync.Map // *timeMap by reflect.Type

func timesOf(t reflect.Type) *timeMap {
	if m, ok := timeMaps.Load(t); ok {
		return m.(*timeMap)
	}
	m := &timeMap{any: reaches(t, holdsForms, nil), recursive: isRecursive(t), endless: reaches(t, embedsItself, nil), dynamic: reaches(t, isInterface, nil)}
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

// isRecursive reports whether values of t may be cyclic.
func isRecursive(t reflect.Type) bool {
	return t != timeType && (reaches(t, isAny, nil) || reachesItself(t, t, nil))
}

// A utcWalk converts the times in a value to UTC, and other types with several
// representations to the decoded one.
type utcWalk struct {
	own     bool // the targets of pointers and slices may be modified
	compact bool // white space is removed from raw JSON
	seen    map[referent]reflect.Value
}

// A referent is the target of a pointer, slice or map. For values that may be cyclic, the
// walk keeps the targets that it has visited, with their replacements.
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

// canonical returns v with its times in UTC. A v of a type without times is not allocated.
func canonical[T any](v T, how utcWalk) T {
	if !timesOf(reflect.TypeFor[T]()).any {
		return v
	}
	own := v
	inUTC(&own, how)
	return own
}

// inUTC converts the times in *v to UTC. Unless how.own is set, it modifies only *v, and
// copies the data that it refers to.
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

// enters reports whether the walk has not visited the target of v yet.
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

// finds reports whether v contains a time that is not in UTC.
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

// change converts the times in v, which is addressable and may be modified, to UTC.
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

// changeReferred makes v, a pointer, slice or map, refer to data with times in UTC.
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
