package store

import "time"

// An Invalidation says which copies of entries are not valid any more.
type Invalidation struct {
	// Keys are the keys of the entries that were changed or removed.
	Keys []string

	// All says that any entry may have changed: the connection on which invalidations
	// arrive was lost, or everything was removed. Keys is then empty.
	All bool

	// Cleared says, together with All, that everything was removed: copies are
	// not suspect, but wrong.
	Cleared bool

	// Released says that only the leases of Keys have ended: copies are still valid, and
	// callers that wait for such a lease need not wait any longer.
	Released bool
}

// Watching has the functions that a [Watcher] calls. It does not call those that are nil.
//
// The functions run on goroutines of the store, sometimes on several at once. They must
// return quickly, and must neither block nor call the store.
type Watching struct {
	// Changed is called for every invalidation. Keys of the invalidation must not be
	// kept or changed.
	Changed func(Invalidation)

	// Connected is called with false when the store is disconnected: it had no contact
	// with its backend for longer than it allows, so that Changed may not have been called
	// for all changes. It is called with true when the store is connected again and
	// Changed has been called for all changes that came before. It is called once before
	// Watch returns, with the state at the time. A store without a connection calls it once,
	// with true.
	Connected func(connected bool)

	// RolledBack is called each time that the backend may have gone back in time, even
	// where nothing was lost in the end: a replica that had not received the last writes
	// took over, or a server was started again from an old file. An entry that was removed
	// or replaced, and whose write was confirmed, may be back. RolledBack is called before
	// Changed is called with All because of it. Where connections were lost, it is also
	// called before anything is read over a new one, so that it can prevent reads of what
	// this process has changed. A backend that cannot go back in time never calls it.
	RolledBack func()
}

// A Watcher is a Store that notifies its watchers when an entry that was read through it
// is changed by any process.
//
// The guarantee: if a Get, GetMany or kept Fill that began after Watch returned
// an entry, and that entry is later changed by anything but a Fill through this
// Store, [Watching].Changed is called with its key or with All. It is called at the latest
// when the store notices that it may have missed a change, and before it serves any
// read through a new connection. A change may be notified more than once, and so may
// keys that were never read or did not change.
type Watcher interface {
	// Watch calls the functions of w until stop is called. stop waits for calls that are
	// running, and none follows; so the functions must not call it. If the set-up of the
	// store does not allow the guarantee, Watch calls nothing and returns an error that
	// says what is wrong, and a nil stop. Such a store returns the error from all reads,
	// too, so that no caller relies on notifications that do not come.
	Watch(w Watching) (stop func(), err error)

	// MaxStale returns for how long a copy of an entry may be served after the read, or
	// the [Filler].Revalidate, that confirmed it was sent. If it is positive, the
	// store need not keep its guarantee for changes by other processes. Zero: it
	// keeps it, and copies have no such limit. The result does not change.
	MaxStale() time.Duration
}
