package store

import (
	"context"
	"time"
)

// A Writer is a Store that can guard a change of the source against values from before it:
// against those that are being loaded, and against a crash between the change and the Delete
// that should follow it. For that it can put a hold on a key. Until a hold ends, what is kept
// under its key lives no longer than the hold, and no longer than to its soft expiry. Where
// several holds overlap, the last to end counts.
type Writer[T any] interface {
	// BeginWrite removes the entries under keys and puts a hold on them for the time
	// hold, which must be longer than the change can take, and is ErrRefused below a
	// millisecond. So a value from before the change is gone by then, even if the
	// process crashes. The token names the write intent and is not zero.
	BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (token uint64, err error)

	// EndWrite ends the write intent when the source has changed, or has not. It
	// removes what was kept since, and ends the hold of the write intent. Holds of
	// others go on. An entry of entries is kept in its place only if nothing else has
	// written the key, or begun to, since BeginWrite.
	EndWrite(ctx context.Context, token uint64, entries map[string]Entry[T], keys ...string) error

	// DeleteHolding is Delete that puts a hold on keys. It is for a source that is read
	// from a replica, which may lag by the length of the hold. A negative length is
	// ErrRefused.
	DeleteHolding(ctx context.Context, h Hold, keys ...string) error

	// MarkStale makes the entries under keys stale, however much of their life
	// is left: they are served only where the source fails. An entry that
	// ends with a hold is removed. Keys without an entry are no error.
	MarkStale(ctx context.Context, keys ...string) error
}

// A Hold limits how long what is kept under a key lives: see [Writer]. The zero Hold is none.
type Hold struct {
	// For is how long the hold lasts. Zero: there is none.
	For time.Duration

	// Revision is that of the source after the change. What is kept with that
	// Revision or a newer one lives its full life at once. Zero: it is not known, and
	// everything is limited. Where several holds overlap, the highest revision counts, and
	// none if one of them has none.
	Revision uint64
}
