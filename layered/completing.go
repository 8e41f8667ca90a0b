package layered

import (
	"github.com/lokroom/strata/store"
)

// Completing returns a view of s that passes each entry to complete before it is kept:
// entries of Set, SetMany, SetNewer and CommitSet, and those that loaders return. complete
// returns the entry to keep. Its error is returned by the write, which then changes nothing,
// or by the load.
//
// The view shares everything with s, including Close. Reads with s return what the view has
// written; writes with s are not completed. complete must be quick and may run concurrently.
func (s *Store[T]) Completing(complete func(key string, e store.Entry[T]) (store.Entry[T], error)) *Store[T] {
	return &Store[T]{core: s.core, complete: complete}
}

// given returns e, which a caller passed to op, as it will be kept.
func (s *Store[T]) given(op, key string, e store.Entry[T]) (store.Entry[T], error) {
	if s.complete == nil {
		return e, nil
	}
	e, err := s.complete(key, e)
	if err != nil {
		err = &store.Error{Store: "layered", Op: op, Key: key, Err: err}
	}
	return e, err
}

// givenAll is given for many entries. kept lacks those that are refused; refused has their
// errors.
func (s *Store[T]) givenAll(op string, entries map[string]store.Entry[T]) (kept map[string]store.Entry[T], refused map[string]error) {
	if s.complete == nil {
		return entries, nil
	}
	kept, refused = make(map[string]store.Entry[T], len(entries)), make(map[string]error)
	for key, e := range entries {
		if e, err := s.given(op, key, e); err != nil {
			refused[key] = err
		} else {
			kept[key] = e
		}
	}
	return kept, refused
}

// withRefused returns the error of an operation on many entries, some of which were refused
// before it. err is the error of the others, which are in kept.
func withRefused[E any](refused map[string]error, kept map[string]E, err error) error {
	if len(refused) == 0 {
		return err
	}
	errOf := store.ByKey[string](err)
	for key := range kept {
		if err := errOf(key); err != nil {
			refused[key] = err
		}
	}
	return store.NewManyError(refused)
}
