package keys

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// A Class is a named set of lifetimes, so that a program has a few classes in one place in
// place of numbers at each cache. Zero fields select the defaults of the cache.
type Class struct {
	Name string

	TTL       time.Duration // how long a value is fresh
	L1TTL     time.Duration // bounds how long L1 keeps a value; at most TTL
	StaleFor  time.Duration // how long after TTL a value may be served if the source fails
	AbsentFor time.Duration // how long an absent id is remembered; negative: not at all
	Jitter    float64       // fraction by which TTL is shortened at random; negative: none
}

// check returns the mistakes in c.
func (c Class) check() (errs []error) {
	switch {
	case c.TTL < 0:
		errs = append(errs, fmt.Errorf("TTL %v is negative", c.TTL))
	case c.TTL > 0 && c.L1TTL > c.TTL:
		errs = append(errs, fmt.Errorf("L1TTL %v exceeds TTL %v", c.L1TTL, c.TTL))
	}
	if c.L1TTL < 0 {
		errs = append(errs, fmt.Errorf("L1TTL %v is negative", c.L1TTL))
	}
	if c.StaleFor < 0 {
		errs = append(errs, fmt.Errorf("StaleFor %v is negative", c.StaleFor))
	}
	if !(c.Jitter <= 1) {
		errs = append(errs, fmt.Errorf("Jitter %v is more than 1", c.Jitter))
	}
	return errs
}

// A Registry holds the definitions and tags of a program, and refuses those that could
// collide. The zero Registry is empty and ready for use. It is safe for concurrent use.
type Registry struct {
	mu      sync.Mutex
	defined []Defined
	tags    []string
	errs    []error
}

// Defined describes a [Definition].
type Defined struct {
	Name  string
	ID    reflect.Type // the type of its ids
	Class Class
}

// schemaLen is the length of the schema that caches put into their keys.
const schemaLen = 8

func (r *Registry) add(name string, d Defined) {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := checkName(name)
	if _, err := New(name, &Options{Schema: strings.Repeat("x", schemaLen)}); err != nil {
		errs = append(errs, err)
	}
	if slices.ContainsFunc(r.defined, func(o Defined) bool { return o.Name == name }) {
		errs = append(errs, fmt.Errorf("the name is defined twice: %w", store.ErrInvalidKey))
	}
	for _, err := range d.Class.check() {
		errs = append(errs, fmt.Errorf("class %q: %w", d.Class.Name, err))
	}
	r.defined = append(r.defined, d)
	for _, err := range errs {
		r.errs = append(r.errs, fmt.Errorf("keys: definition %q: %w", name, err))
	}
}

func checkName(name string) (errs []error) {
	if strings.HasPrefix(name, "!") {
		errs = append(errs, fmt.Errorf("the name must not begin with \"!\", which starts the keys of tags: %w", store.ErrInvalidKey))
	}
	return errs
}

// Err returns all mistakes in the definitions and tags of r, or nil: names that are used
// twice, empty, too long or begin with "!", and classes with invalid lifetimes. Check it
// when the program starts, or in a test.
func (r *Registry) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return oneline.Join(r.errs...)
}

// Definitions returns the definitions in the order of their names.
func (r *Registry) Definitions() []Defined {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(slices.Values(r.defined), func(a, b Defined) int { return cmp.Compare(a.Name, b.Name) })
}

// A Tag is a kind of invalidation tags, such as that of all entries of one city. Definitions
// use it for their tags, and invalidation rules for what they invalidate.
type Tag[A Part] struct{ prefix string }

// DefineTag returns the tags called name, and adds them to r. Tags of different names are
// different. Mistakes are reported by [Registry.Err].
func DefineTag[A Part](r *Registry, name string) *Tag[A] {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := checkName(name)
	if name == "" {
		errs = append(errs, fmt.Errorf("the name is empty: %w", store.ErrInvalidKey))
	}
	if slices.Contains(r.tags, name) {
		errs = append(errs, fmt.Errorf("the name is defined twice: %w", store.ErrInvalidKey))
	}
	for _, err := range errs {
		r.errs = append(r.errs, fmt.Errorf("keys: tag %q: %w", name, err))
	}
	r.tags = append(r.tags, name)
	return &Tag[A]{string(append(appendPart(nil, name), ':'))}
}

// Of returns the tag of a: the name and a, joined by a colon and escaped like the parts of
// keys. A tag of more than 200 bytes is shortened like a key.
func (t *Tag[A]) Of(a A) string {
	var buf [maxText]byte
	return string(shorten(appendField(append(buf[:0], t.prefix...), reflect.ValueOf(a)), 0, maxText))
}
