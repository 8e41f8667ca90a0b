package keys

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/lokroom/strata/store"
)

// A Part is the type of a part of an id.
type Part interface {
	~string | ~bool | ~[16]byte |
		~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// An ID2 is an id of two parts: see [Define2].
type ID2[A, B Part] struct {
	A A
	B B
}

// An ID3 is an id of three parts: see [Define3].
type ID3[A, B, C Part] struct {
	A A
	B B
	C C
}

// A Definition describes the keys of one cache: its name, the type K of its ids, its
// lifetimes and its tags. strata.NewDefined returns a cache for it. A Definition is
// immutable once it is in use, and then safe for concurrent use.
//
// The text of an id consists of its parts, joined by colons and escaped like the parts of
// the keys of a [Space]. Strings are written as they are, integers in decimal, bools as
// true or false, byte arrays in hexadecimal. A text of more than 200 bytes is truncated,
// and ends with ~ and 128 bits of its SHA-256. Distinct ids have distinct texts.
type Definition[K comparable] struct {
	name     string
	class    Class
	tags     func(K) []string // nil: none
	parts    int              // 1: K is the part itself
	colocate bool
}

// Define1 returns the definition of a cache whose ids are of type A, and adds it to r. name
// is the name of the cache. tags returns the tags of the entry of an id, and must be quick
// and safe for concurrent use; nil: entries have no tags. Entries that are in Redis keep the
// tags that they were written with: if tags changes, change Options.SchemaVersion of the cache.
//
// Mistakes are reported by [Registry.Err], so that definitions can be package variables.
func Define1[A Part](r *Registry, name string, c Class, tags func(A) []string) *Definition[A] {
	return define(r, name, c, 1, tags)
}

// Define2 is Define1 for ids of two parts.
func Define2[A, B Part](r *Registry, name string, c Class, tags func(A, B) []string) *Definition[ID2[A, B]] {
	var of func(ID2[A, B]) []string
	if tags != nil {
		of = func(id ID2[A, B]) []string { return tags(id.A, id.B) }
	}
	return define(r, name, c, 2, of)
}

// Define3 is Define1 for ids of three parts.
func Define3[A, B, C Part](r *Registry, name string, c Class, tags func(A, B, C) []string) *Definition[ID3[A, B, C]] {
	var of func(ID3[A, B, C]) []string
	if tags != nil {
		of = func(id ID3[A, B, C]) []string { return tags(id.A, id.B, id.C) }
	}
	return define(r, name, c, 3, of)
}

func define[K comparable](r *Registry, name string, c Class, parts int, tags func(K) []string) *Definition[K] {
	d := &Definition[K]{name: name, class: c, tags: tags, parts: parts}
	r.add(name, Defined{Name: name, ID: reflect.TypeFor[K](), Class: c})
	return d
}

// Colocate makes the first part of ids a Redis Cluster hash tag, and returns d. Entries with
// the same first part, of all caches that are colocated by it, are then on one node, and so
// is the load on them. It changes the keys: call it where d is defined.
func (d *Definition[K]) Colocate() *Definition[K] {
	d.colocate = true
	return d
}

// Name returns the name of the cache.
func (d *Definition[K]) Name() string { return d.name }

// Class returns the lifetimes of the entries.
func (d *Definition[K]) Class() Class { return d.class }

// Tags returns the invalidation tags of the entry of id.
func (d *Definition[K]) Tags(id K) []string {
	if d.tags == nil {
		return nil
	}
	return d.tags(id)
}

// maxText bounds the texts of ids.
const maxText = 200

// Text returns the text of id, which identifies it within the cache. The error is always
// nil.
func (d *Definition[K]) Text(id K) (string, error) {
	var buf [maxText]byte
	if !d.colocate { // common types, without reflection
		switch id := any(id).(type) {
		case string:
			return string(shorten(appendPart(buf[:0], id), 0, maxText)), nil
		case int64:
			return strconv.FormatInt(id, 10), nil
		case int:
			return strconv.Itoa(id), nil
		}
	}
	v, dst := reflect.ValueOf(id), buf[:0]
	for i := range d.parts {
		switch {
		case i == 0 && d.colocate:
			dst = append(shorten(appendField(append(dst, '{'), d.part(v, i)), 1, maxTag), '}')
		case i == 0:
			dst = appendField(dst, d.part(v, i))
		default:
			dst = appendField(append(dst, ':'), d.part(v, i))
		}
	}
	return string(shorten(dst, 0, maxText)), nil
}

// part returns a part of the id v.
func (d *Definition[K]) part(v reflect.Value, i int) reflect.Value {
	if d.parts == 1 {
		return v
	}
	return v.Field(i)
}

// Parse returns the id with this text. It returns an error that wraps
// store.ErrInvalidKey if Text returns text for no id, or if text was shortened.
func (d *Definition[K]) Parse(text string) (id K, err error) {
	rest := text
	if d.colocate {
		rest = strings.Replace(strings.TrimPrefix(text, "{"), "}", "", 1)
	}
	parts := strings.Split(rest, ":")
	if len(parts) != d.parts {
		return id, fmt.Errorf("keys: %s: %q has %d parts, want %d: %w", d.name, text, len(parts), d.parts, store.ErrInvalidKey)
	}
	v := reflect.ValueOf(&id).Elem()
	for i, part := range parts {
		if err := parseField(d.part(v, i), part); err != nil {
			var zero K
			return zero, fmt.Errorf("keys: %s: %q: %w: %w", d.name, text, store.ErrInvalidKey, err)
		}
	}
	if again, _ := d.Text(id); again != text {
		var zero K
		return zero, fmt.Errorf("keys: %s: %q is not the text of an id: %w", d.name, text, store.ErrInvalidKey)
	}
	return id, nil
}
