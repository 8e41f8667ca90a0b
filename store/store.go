// Package store is the contract between Strata and the places that keep entries.
//
// The core is one small interface, [Store]. What a backend can do beyond it is
// said by optional interfaces, one a file, each next to the function that uses
// it: callers call the function ([GetMany], [Add], [DeletePattern] ...), which
// uses the capability where the store has it, falls back where that is right,
// and otherwise returns an error that is [errors.ErrUnsupported].
//
// # Writing a backend
//
// Implement Get, Set and Delete, run the suite in package storetest against it,
// then add the capabilities that the backend can do better than the fallback.
// A backend keeps to these rules:
//
//   - A miss is [ErrNotFound], bare. An entry known to be absent at the source is
//     returned with Absent set, together with ErrNotFound.
//   - An entry is never returned after its ExpiresAt. After its StaleAt it is
//     returned, and the caller decides.
//   - Every other failure is an [*Error] that wraps one of the sentinels of this
//     package, or the cause itself. Keys may appear in errors, values never.
//   - Everything is safe for concurrent use.
//   - After its shared resource was closed, every call returns ErrClosed.
//   - A call with a context that is done either does its work or returns an
//     error that is the context's.
//
// A store is never wrapped to add behaviour, because a wrapper hides the
// capabilities of what it wraps: to see what a store does, pass it an [Observer].
package store

import "context"

// A Store keeps entries of one type under string keys. It is a cache: it may
// forget an entry at any time, but never returns one that a completed Set or
// Delete of the same key, made through the same Store, has replaced.
//
// Keys are arbitrary bytes, the empty string included; a store may refuse those
// that are too long for it with [ErrTooLarge]. Values are shared: neither the
// store nor its callers may change a value after it was passed to Set or
// returned by Get. All methods may be called concurrently.
type Store[T any] interface {
	// Get returns the entry under key, or ErrNotFound. If the source is known
	// to have no value, it returns an entry with Absent set and ErrNotFound.
	Get(ctx context.Context, key string) (Entry[T], error)

	// Set keeps e under key in place of what was there. An entry that has
	// already expired removes what is there.
	Set(ctx context.Context, key string, e Entry[T]) error

	// Delete removes the entries under keys. Keys that are not there are no
	// error. If some could not be removed, the error says so, and the others
	// are removed all the same.
	Delete(ctx context.Context, keys ...string) error
}
