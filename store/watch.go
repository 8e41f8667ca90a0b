package store

// An Invalidation says that copies of entries must not be used any more.
type Invalidation struct {
	// Keys are the keys whose entries were changed or removed.
	Keys []string

	// All says that any entry may have changed: the connection that tells of
	// changes was lost, or everything was removed. Keys is then empty.
	All bool

	// Cleared says, together with All, that everything was removed: copies are
	// not in doubt, but wrong.
	Cleared bool

	// Released says that leases of Keys have ended and nothing else: copies are still
	// right, and whoever waits for a lease need not wait any longer.
	Released bool
}

// A Watcher is a Store that tells when an entry that was read through it changes,
// whoever changes it.
//
// The guarantee: if a Get, GetMany or kept Fill that began after Watch returned
// an entry, and that entry is later changed by anybody but a Fill through this
// Store, fn is called with its key or with All. It is called at the latest when
// the store notices that it may have missed a change, and before it serves any
// read through a new connection. A change may be told more than once, and keys
// may be told that were never read or did not change.
type Watcher interface {
	// Watch calls fn for every invalidation until stop is called; after stop
	// has returned fn is not called again. fn runs on a goroutine of the
	// store, sometimes on several at once; it must return quickly and must
	// neither block nor call the store. Keys must not be kept or changed.
	Watch(fn func(Invalidation)) (stop func())
}

// A WatchChecker is a [Watcher] that depends on how it was set up.
type WatchChecker interface {
	Watcher

	// CanWatch returns nil if the store keeps the guarantee of Watcher, and an
	// error that says what is wrong if it does not. Such a store returns the
	// error from all reads, so that nobody relies on what is not told.
	CanWatch() error
}

// CanWatch returns nil if s tells of changes as [Watcher] guarantees, the error of
// [WatchChecker] if its set-up does not allow that, and without the capability an
// error that is errors.ErrUnsupported.
func CanWatch[T any](s Store[T]) error {
	switch w := s.(type) {
	case WatchChecker:
		return w.CanWatch()
	case Watcher:
		return nil
	}
	return unsupported(s, "watch")
}
