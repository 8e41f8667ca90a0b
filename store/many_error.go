package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A ManyError says for which of many keys, or ids, an operation failed, and why. It
// is found in an error with errors.As; errors.Is looks at all causes. What is not in
// it succeeded.
type ManyError[K comparable] struct {
	Errors map[K]error // none is nil
}

// NewManyError returns a *[ManyError] of errs, in which no error is nil, or nil if
// there are none. A loader of many that knows which of them failed returns it.
func NewManyError[K comparable](errs map[K]error) error {
	if len(errs) == 0 {
		return nil
	}
	return &ManyError[K]{Errors: errs}
}

// mostNamed is how many causes, and how many keys of each, are named in one text.
const mostNamed = 3

// Error names each cause once, with some of the keys that it concerns and the number
// of the others, the most frequent one first: `a, b, c and 97 more: unavailable; k: too
// large`. It is short, however many keys there are, and names each cache once.
func (e *ManyError[K]) Error() string {
	keys := make(map[string][]string, 1) // by cause
	names := make(map[string]bool, 1)    // of caches, as texts have them
	for key, err := range e.Errors {
		cause := causeOf(err)
		keys[cause] = append(keys[cause], oneLine(shorten(fmt.Sprint(key))))
		names[nameOf(err)] = true
	}
	causes := slices.SortedFunc(maps.Keys(keys), func(a, b string) int {
		return cmp.Or(len(keys[b])-len(keys[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, cause := range causes[:min(len(causes), mostNamed)] {
		ks := keys[cause]
		slices.Sort(ks)
		part := strings.Join(ks[:min(len(ks), mostNamed)], ", ")
		if n := len(ks) - mostNamed; n > 0 {
			part += fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, part+": "+cause)
	}
	if n := len(causes) - mostNamed; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d other causes", n))
	}
	text := strings.Join(parts, "; ")
	for name := range names {
		text = onlyFirst(text, name)
	}
	return text
}

// nameOf returns the name of the cache in the text of err; empty if there is none.
func nameOf(err error) string {
	if e, ok := err.(*Error); ok {
		return inText(e.Cache)
	}
	return ""
}

// oneLine quotes a key that would end the line.
func oneLine(key string) string {
	if strings.ContainsFunc(key, unicode.IsControl) {
		return strconv.Quote(key)
	}
	return key
}

// causeOf is the text of err without the key, which is what errors of many keys
// differ in.
func causeOf(err error) string {
	if e, ok := err.(*Error); ok && e.Key != "" {
		all := *e
		all.Key = ""
		return all.Error()
	}
	return err.Error()
}

// Unwrap returns the causes, in no order.
func (e *ManyError[K]) Unwrap() []error {
	errs := make([]error, 0, len(e.Errors))
	for _, err := range e.Errors {
		errs = append(errs, err)
	}
	return errs
}

// AsManyError returns the [ManyError] of K that err is, or that it wraps and nothing
// else; nil if there is none, so that err is of all keys.
func AsManyError[K comparable](err error) *ManyError[K] {
	for ; err != nil; err = errors.Unwrap(err) {
		if many, ok := err.(*ManyError[K]); ok {
			return many
		}
	}
	return nil
}

// ByKey takes err, of an operation on many keys, apart: of returns why it failed for
// key, or nil. See [AsManyError] for what is of all keys.
func ByKey[K comparable](err error) (of func(key K) error) {
	if many := AsManyError[K](err); many != nil {
		return func(key K) error { return many.Errors[key] }
	}
	return func(K) error { return err }
}
