package store

import (
	"context"
	"time"
)

// A Writer is a Store that supports write intents. A write intent protects a change of the
// source against values from before it: values that are being loaded meanwhile, and values
// that stay because the process crashes between the change and the Delete. To do so the
// store puts a hold on a key. While the hold lasts, an entry under the key expires with the
// hold, and at its soft expiry if that is earlier. Of overlapping holds, the last to end counts.
type Writer[T any] interface {
	// BeginWrite removes the entries under keys and puts a hold on them for the time
	// hold, which must be longer than the change can take. A hold below a millisecond is
	// ErrRefused. A value from before the change thus expires with the hold, even if the
	// process crashes. The token names the write intent and is not zero.
	BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (token uint64, err error)

	// EndWrite ends the write intent, whether the source was changed or not. It removes what
	// was kept since BeginWrite, and ends the hold of this write intent only. An entry of
	// entries is kept only if no other write of its key has happened or begun since
	// BeginWrite.
	EndWrite(ctx context.Context, token uint64, entries map[string]Entry[T], keys ...string) error

	// DeleteHolding is Delete that also puts a hold on keys. It is for loaders that read a
	// replica, which may lag by the length of the hold. A negative length is ErrRefused.
	DeleteHolding(ctx context.Context, h Hold, keys ...string) error

	// MarkStale makes the entries under keys stale before their time: they are served only
	// if the source fails. An entry that a hold limits is removed. Keys without an entry are
	// no error.
	MarkStale(ctx context.Context, keys ...string) error
}

// A Hold limits the life of entries under a key: see [Writer]. The zero Hold limits nothing.
type Hold struct {
	// For is how long the hold lasts. Zero: there is none.
	For time.Duration

	// Revision is the revision of the source after the change. An entry with that revision
	// or a newer one is not limited. Zero: not known, and every entry is limited. Of
	// overlapping holds the highest revision counts; if one has none, every entry is limited.
	Revision uint64
}
