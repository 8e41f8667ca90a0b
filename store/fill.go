package store

import (
	"context"
	"errors"
	"time"
)

// ErrChanged says that the entry under a key is not of the version that was
// expected: it was changed or removed. Nothing was changed by the call.
var ErrChanged = errors.New("the entry has changed")

// A Filler is a [Watcher] for a tier in front that keeps copies of its entries: it keeps what
// that has loaded and goes on watching it, lets one of all its users load an entry again
// while the others go on reading it, and confirms copies without moving their values.
//
// Set notifies every watcher, including the caller's own, because a copy that was
// read before is now wrong. A tier that has just loaded the value and wants to keep the same
// copy that it writes uses Fill or Replace instead.
//
// The claim of a refresh saves the source work: one loads, and the others do not wait. What
// keeps an old value from overwriting a change is that Replace compares and writes in one
// step.
//
// Entry.Stamp should be a reading from before the load. If it is zero, Fill and Replace keep
// an entry with tags as if it had been loaded at the time of the call: that a tag was
// invalidated during the load then goes unnoticed.
type Filler[T any] interface {
	// Fill keeps e under key like Set. It returns the entry as it was kept,
	// and watched: whether watchers will be notified of a change of it from now on as
	// [Watcher] guarantees. If watched is false, another write came in between,
	// or the store does not know, and the caller must not keep its copy unless
	// Revalidate confirms it.
	Fill(ctx context.Context, key string, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Replace is Fill if the entry under key is of this version, and none of
	// the tags of e was invalidated since e.Stamp. Else it returns ErrChanged. An entry
	// that has expired removes what is under the key.
	Replace(ctx context.Context, key string, version uint64, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Confirm is Replace of old, as it was read, by e, which is old with
	// other ExpiresAt, StaleAt and LoadedAt: nothing else of e counts, and e.Stamp
	// is old.Stamp. Its value need not be moved. The entry then has a new Version, as
	// after Replace.
	Confirm(ctx context.Context, key string, old, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Revalidate returns e with its present expiry if the entry under key is still
	// of e.Version, which is not zero, and ErrNotFound if it is another or
	// none. Its value is not moved. Watchers are notified of later changes as if the
	// entry had been read.
	Revalidate(ctx context.Context, key string, e Entry[T]) (Entry[T], error)

	// Claim asks for the right to load the entry of this version under key again,
	// for d. It is Granted, and Grant.Lease names the claim, unless another has
	// it: then it is Taken for the time Grant.Left. Grant.Stamp is as from
	// [Leaser].Lease. The claim is kept beside the entry and does not
	// change it: readers and watchers do not notice, and the store does not check
	// that there is such an entry. When the entry has been replaced the claim
	// is of no use, and need not be given back.
	Claim(ctx context.Context, key string, version uint64, d time.Duration) (Grant, error)

	// EndClaim makes a claim end d from now, sooner or later than it would, and at
	// once if d is not positive. It returns ErrLeaseLost if the claim has ended.
	EndClaim(ctx context.Context, key string, version, claim uint64, d time.Duration) error
}
