package strata

import (
	"fmt"
	"maps"

	"github.com/lokroom/strata/store"
)

// byText returns the result of a batch loader for ids. An answer under another id with the
// same key is copied to the id that was asked for.
func byText[K comparable, L any](c *untyped[K], ids []K, got map[K]L, err error) (map[K]L, error) {
	if !c.textual {
		return got, err
	}
	many := store.AsManyError[K](err)
	var errs map[K]error
	if many != nil {
		errs = many.Errors
	}
	var missing []K
	for _, id := range ids {
		if _, ok := got[id]; !ok && errs[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 || len(got)+len(errs) == len(ids)-len(missing) { // no answers are left for them
		return got, err
	}
	answers, failures := keysIn(c, got), keysIn(c, errs)
	got, errs = maps.Clone(got), maps.Clone(errs) // the maps belong to the loader
	for _, id := range missing {
		key, kerr := c.key(id)
		if kerr != nil {
			continue
		}
		if other, ok := answers[key]; ok {
			got[id] = got[other]
		} else if other, ok := failures[key]; ok {
			errs[id] = errs[other]
		}
	}
	if many != nil {
		err = store.NewManyError(errs)
	}
	return got, err
}

// keysIn returns the ids of m by their keys.
func keysIn[K comparable, L any](c *untyped[K], m map[K]L) map[string]K {
	byKey := make(map[string]K, len(m))
	for id := range m {
		if key, err := c.key(id); err == nil {
			byKey[key] = id
		}
	}
	return byKey
}

// givenAll returns an entry, by key, for each value passed to op. errs has the ids that
// have no entry, or that share their key with another id.
func (c *untyped[K]) givenAll(op string, values map[K]any) (entries map[string]store.Entry[any], byKey map[string]K, errs map[K]error) {
	entries = make(map[string]store.Entry[any], len(values))
	byKey, errs = make(map[string]K, len(values)), make(map[K]error)
	for id, v := range values {
		key, err := c.key(id)
		if err != nil {
			errs[id] = c.failed(op, err)
			continue
		}
		if other, twice := byKey[key]; twice {
			err := c.failed(op, fmt.Errorf("%w: several ids have the key %q", store.ErrInvalidKey, key))
			errs[id], errs[other] = err, err
			delete(entries, key)
			continue
		}
		byKey[key] = id
		if entries[key], err = c.given(id, v); err != nil {
			errs[id] = c.failed(op, err)
			delete(entries, key)
		}
	}
	return entries, byKey, errs
}
