package store

import (
	"context"
	"errors"
	"time"
)

// ErrChanged says that the entry under a key is not of the version that was
// expected: it was changed or removed. Nothing was changed by the call.
var ErrChanged = errors.New("the entry has changed")

// A Refresher is a [Watcher] in which an entry that is there can be loaded anew while
// everybody goes on reading it, by one of all its users.
//
// The claim spares the source work: one loads, and the others need neither wait nor
// know. What keeps an old value from overwriting a change is that Replace compares
// and writes in one step.
type Refresher[T any] interface {
	// Claim asks for the right to load the entry of this version under key anew,
	// for d. It is Granted, and Grant.Lease names it, unless somebody else has
	// it: then it is Taken, for what Grant.Left says. Grant.Stamp is as from
	// [Leaser].Lease. The claim is kept beside the entry, which it does not
	// change: readers do not notice, watchers are not told, and whether there is
	// such an entry is not looked at. When the entry has been replaced the claim
	// is of no use, and need not be given back.
	Claim(ctx context.Context, key string, version uint64, d time.Duration) (Grant, error)

	// EndClaim makes a claim end d from now, sooner or later than it would, and at
	// once if d is not positive. ErrLeaseLost if it has ended.
	EndClaim(ctx context.Context, key string, version, claim uint64, d time.Duration) error

	// Replace keeps e under key if the entry there is of this version, and none of
	// the tags of e was invalidated since e.Stamp; else it returns ErrChanged.
	// Otherwise it is [Filler].Fill. An entry that is over removes what is under
	// the key.
	Replace(ctx context.Context, key string, version uint64, e Entry[T]) (kept Entry[T], watched bool, err error)
}
