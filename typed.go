package strata

import (
	"context"
	"reflect"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// typed returns v, a value of type V or nil, as a V.
func typed[V any](v any, err error) (V, error) {
	t, _ := v.(V)
	return t, err
}

// entryOf returns e, an entry of a V or of nothing, with its type.
func entryOf[V any](e *store.Entry[any]) store.Entry[V] {
	v, _ := e.Value.(V)
	return store.WithValue(e, v)
}

func typedEntry[V any](e *Entry[any]) Entry[V] {
	return Entry[V]{Entry: entryOf[V](&e.Entry), Tier: e.Tier, Age: e.Age, Stale: e.Stale, Cause: e.Cause}
}

// untypedAll returns a map of the same values, or nil for nil.
func untypedAll[K comparable, V any](values map[K]V) map[K]any {
	if values == nil {
		return nil
	}
	all := make(map[K]any, len(values))
	for id, v := range values {
		all[id] = v
	}
	return all
}

// untypedLoader returns load for values in interfaces, or nil.
func untypedLoader[K comparable, V any](load func(context.Context, K) (V, error)) func(context.Context, K) (any, error) {
	if load == nil {
		return nil
	}
	return func(ctx context.Context, id K) (any, error) { return load(ctx, id) }
}

// untyped returns o for values in interfaces. Its functions are those of o, and nil where
// those are. setCodec sets its Codec.
func (o *Options[K, V]) untyped() (u Options[K, any]) {
	if o == nil {
		return u
	}
	from, to := reflect.ValueOf(o).Elem(), reflect.ValueOf(&u).Elem()
	for i := range from.NumField() {
		if from.Field(i).Type() == to.Field(i).Type() { // it does not mention V
			to.Field(i).Set(from.Field(i))
		}
	}
	o.untypeValues(&u)
	o.untypeLoads(&u)
	return u
}

// untypeValues sets the functions of u that look at values.
func (o *Options[K, V]) untypeValues(u *Options[K, any]) {
	if f := o.TTLOf; f != nil {
		u.TTLOf = func(id K, v any) time.Duration { return f(id, as[V](v)) }
	}
	if f := o.Tags; f != nil {
		u.Tags = func(id K, v any) []string { return f(id, as[V](v)) }
	}
	if f := o.Clone; f != nil {
		u.Clone = func(v any) any { return f(as[V](v)) }
	}
	if f := o.KeepInL1; f != nil {
		u.KeepInL1 = func(id K, v any) bool { return f(id, as[V](v)) }
	}
	if f := o.RevisionOf; f != nil {
		u.RevisionOf = func(id K, v any) uint64 { return f(id, as[V](v)) }
	}
}

// untypeLoads sets the functions of u that return values.
func (o *Options[K, V]) untypeLoads(u *Options[K, any]) {
	if f := o.Default; f != nil {
		u.Default = func(id K, err error) (any, bool) { return f(id, err) }
	}
	if f := o.Reload; f != nil {
		u.Reload = func(ctx context.Context, id K, old store.Entry[any]) (any, error) {
			return f(ctx, id, entryOf[V](&old))
		}
	}
	if f := o.LoadEntry; f != nil {
		u.LoadEntry = func(ctx context.Context, id K) (Loaded[any], error) {
			l, err := f(ctx, id)
			return untypedLoaded(l), err
		}
	}
	if f := o.LoadMany; f != nil {
		u.LoadMany = func(ctx context.Context, ids []K) (map[K]any, error) {
			values, err := f(ctx, ids)
			return untypedAll(values), err
		}
	}
	if f := o.LoadEntries; f != nil {
		u.LoadEntries = func(ctx context.Context, ids []K) (map[K]Loaded[any], error) {
			loaded, err := f(ctx, ids)
			all := make(map[K]Loaded[any], len(loaded))
			for id, l := range loaded {
				all[id] = untypedLoaded(l)
			}
			return all, err
		}
	}
}

func untypedLoaded[V any](l Loaded[V]) Loaded[any] {
	return Loaded[any]{Value: l.Value, TTL: l.TTL, Tags: l.Tags, Revision: l.Revision, Absent: l.Absent}
}

// as returns v, a value of type V or nil, as a V.
func as[V any](v any) V {
	t, _ := v.(V)
	return t
}

// An untypedCodec is a codec of V for values in interfaces.
type untypedCodec[V any] struct{ inner codec.Codec[V] }

var (
	_ codec.Keyed[any]         = untypedCodec[int]{}
	_ codec.Canonicalizer[any] = untypedCodec[int]{}
	_ codec.Identifier         = untypedCodec[int]{}
)

func (c untypedCodec[V]) Append(dst []byte, v any) ([]byte, error) { return c.AppendFor(dst, "", v) }

func (c untypedCodec[V]) Decode(src []byte) (any, error) { return c.DecodeFor("", src) }

func (c untypedCodec[V]) AppendFor(dst []byte, key string, v any) ([]byte, error) {
	return codec.AppendFor(c.inner, dst, key, as[V](v))
}

func (c untypedCodec[V]) DecodeFor(key string, src []byte) (any, error) {
	v, err := codec.DecodeFor(c.inner, key, src)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (c untypedCodec[V]) Canonical(v any) any {
	t, ok := v.(V)
	if !ok {
		return v
	}
	return codec.Canonical(c.inner, t)
}

func (c untypedCodec[V]) CodecID() byte { return codec.ID(c.inner) }
