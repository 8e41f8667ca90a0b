package store

import (
	"context"
	"errors"
	"time"
)

// ErrChanged says that the entry under a key is not of the version that was
// expected: it was changed or removed. Nothing was changed by the call.
var ErrChanged = errors.New("the entry has changed")

// A Filler is a [Watcher] for a front tier that keeps copies of its entries. It keeps an
// entry that the front tier has loaded and notifies it of later changes. It lets one process
// load an entry again while the others read the old one, and it confirms copies without
// transferring their values.
//
// Set notifies every watcher, including the caller's own, because a copy that was read
// before is now wrong. A front tier that has loaded a value, and keeps a copy of what it
// writes, uses Fill or Replace instead.
//
// A claim saves loads: one process refreshes, and the others do not wait. Replace compares and
// writes in one step, which keeps an old value from overwriting a change.
//
// Entry.Stamp should be a reading from before the load. If it is zero, Fill and Replace keep
// an entry with tags as if it had been loaded at the time of the call: they do not notice
// that a tag was invalidated during the load.
type Filler[T any] interface {
	// Fill keeps e under key like Set, and returns the entry as it was kept. watched
	// reports whether watchers will be notified of its next change, as [Watcher]
	// guarantees. If watched is false, another write came in between, or the store does not
	// know. The caller must then not keep its copy unless Revalidate confirms it.
	Fill(ctx context.Context, key string, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Replace is Fill if the entry under key has this version, and none of the tags of e was
	// invalidated since e.Stamp. Otherwise it returns ErrChanged. An e that has expired
	// removes what is under the key.
	Replace(ctx context.Context, key string, version uint64, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Confirm is Replace without transferring the value: it gives old, an entry as it was
	// read, the ExpiresAt, StaleAt and LoadedAt of e. All other fields of e must be those of
	// old. The entry then has a new Version, as after Replace.
	Confirm(ctx context.Context, key string, old, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Revalidate returns e with its present expiry if the entry under key still has
	// e.Version, which must not be zero, and otherwise ErrNotFound. It does not transfer
	// the value. Watchers are notified of later changes as if the entry had been read.
	Revalidate(ctx context.Context, key string, e Entry[T]) (Entry[T], error)

	// Claim asks for the right to refresh the entry with this version under key, for d. If
	// the claim is Granted, Grant.Lease names it. If another caller has it, it is Taken for
	// the time Grant.Left. Grant.Stamp is as from [Leaser].Lease. A claim does not change
	// the entry, readers and watchers do not notice it, and the store does not check that
	// the entry exists. A claim on an entry that was replaced has no effect and need not be
	// ended.
	Claim(ctx context.Context, key string, version uint64, d time.Duration) (Grant, error)

	// EndClaim makes a claim end d from now, earlier or later than it would, or now if d is
	// not positive. It returns ErrLeaseLost if the claim has already ended.
	EndClaim(ctx context.Context, key string, version, claim uint64, d time.Duration) error
}
