package strata

import (
	"context"
	"reflect"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// An untyped is a [Cache] that does not know the type of its values: they are in interfaces.
// Only what names V is compiled for each type of values, which is little; everything else is
// compiled once for all caches with the same K.
type untyped[K comparable] struct {
	name    string
	values  reflect.Type // V of the Cache
	backend *Backend
	load    func(context.Context, K) (any, error) // nil: nothing is loaded
	opts    Options[K, any]
	key     func(K) (string, error)
	id      func(key string) (K, error) // inverse of key; nil if there is none
	idTags  func(K) []string            // of absent entries, too; nil: they have none
	space   string                      // prefix of the keys in Redis, after the prefix of the backend
	deps    string                      // name of the cache in the tags of CaptureDeps, the same for all schemas

	encodes  bool // values are encoded: with Redis or DecodeEach
	captures bool // Config.CaptureDeps
	detour   bool // reads take more than a look into L1: see uses
	off      switches
	known    *known[K]              // nil without Options.RefreshEvery
	clone    func(any) (any, error) // Options.Clone; may be nil
	textual  bool                   // see isText
	tiers    *layered.Store[any]
	raw      *layered.Store[any]          // the tiers for callers: see Tiers
	window   *window[K, store.Entry[any]] // nil: single ids are loaded alone
}

// keys returns the keys of the ids that have one. The error names the others.
func (c *untyped[K]) keys(op string, ids []K) ([]string, error) {
	var errs []error
	ks, _ := c.keysOf(op, ids, func(_ K, err error) { errs = append(errs, err) })
	return ks, oneline.Join(errs...)
}

// eachKey calls write with the keys of the ids that have one.
func (c *untyped[K]) eachKey(op string, ids []K, write func(ks []string) error) error {
	ks, err := c.keys(op, ids)
	if err != nil && len(ks) == 0 {
		return err
	}
	return oneline.Join(err, write(ks))
}

// Name returns the name of the cache.
func (c *untyped[K]) Name() string { return c.name }

// Text returns the text of id, which identifies it within the cache: it is the key in Tiers,
// in Backend.DeleteTexts and in rules of package invalidate. If id has none, the error wraps
// store.ErrInvalidKey.
func (c *untyped[K]) Text(id K) (string, error) {
	key, err := c.key(id)
	if err != nil {
		return "", c.failed("text", err)
	}
	return key, nil
}

// Stats returns counters of the cache since New. It does no I/O.
func (c *untyped[K]) Stats() layered.Counts { return c.tiers.Counts() }

func (c *untyped[K]) failed(op string, err error) error {
	return &store.Error{Store: "strata", Cache: c.name, Op: op, Err: err}
}

// keysOf returns the ids that have a key, with their keys, and calls failed for the others.
func (c *untyped[K]) keysOf(op string, ids []K, failed func(K, error)) (ks []string, have []K) {
	ks, have = make([]string, 0, len(ids)), make([]K, 0, len(ids))
	for _, id := range ids {
		if key, err := c.key(id); err != nil {
			failed(id, c.failed(op, err))
		} else {
			ks, have = append(ks, key), append(have, id)
		}
	}
	return ks, have
}
