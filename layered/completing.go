package layered

import (
	"github.com/lokroom/strata/store"
)

// Completing returns a view of s that passes each entry to complete before the entry is
// kept: the entries that are given to Set, SetMany, SetNewer and DoneSet, and those that
// loaders return. complete returns the entry to keep. An error of complete is the error of
// the write, which then changes nothing, or that of the load.
//
// The view shares everything with s, Close included. Reads with s return what the view
// has written, and writes with s are not completed. complete must be quick and may run
// concurrently.
func (s *Store[T]) Completing(complete func(key string, e store.Entry[T]) (store.Entry[T], error)) *Store[T] {
	return &Store[T]{core: s.core, complete: complete}
}

// given returns e, which a caller passes to op, as it is to be kept.
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

// givenAll is given for many entries. Those that are refused are left out, and refused
// says why.
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

// withRefused returns the error of an operation on many entries of which some were refused
// before it. err is that of the others, which are in kept.
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

// loadedAll returns what a loader of ks has returned as it is to be kept.
func (s *Store[T]) loadedAll(ks []string, got map[string]store.Entry[T], err error) (map[string]store.Entry[T], error) {
	if s.complete == nil {
		return got, err
	}
	kept, refused := s.givenAll("load", got)
	if len(refused) == 0 {
		return kept, err
	}
	failed := make(map[string]struct{}, len(ks)) // those that err is about
	for _, key := range ks {
		if _, ok := got[key]; !ok {
			failed[key] = struct{}{}
		}
	}
	return kept, withRefused(refused, failed, err)
}
