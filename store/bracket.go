package store

import (
	"context"
	"time"
)

// A Bracketer is a Store that can guard a change of the source against a crash
// between the change and the Delete that should follow it.
type Bracketer[T any] interface {
	// BeginWrite removes the entries under keys, and for the time hold whatever
	// is kept under them lives no longer than that, and no longer than to its
	// soft expiry. So a value from before the change is gone by then, whoever
	// crashes. hold is longer than the change can take. The token names the
	// bracket and is not zero.
	BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (token uint64, err error)

	// EndWrite ends the bracket when the source has changed, or has not: it
	// removes what was kept since. An entry of entries is kept in its place
	// only if nobody else has written the key, or begun to, since BeginWrite.
	EndWrite(ctx context.Context, token uint64, entries map[string]Entry[T], keys ...string) error

	// DeleteHolding is Delete after which, for the time hold, whatever is kept
	// under keys lives no longer than that: for a source that is read from a
	// replica which may be that far behind.
	DeleteHolding(ctx context.Context, hold time.Duration, keys ...string) error

	// DeleteOlder is DeleteHolding after a change that has made revision: what
	// is kept with that Revision or a newer one lives its full life at once.
	// Where several holds overlap, the highest revision counts, and none if one
	// of them has none.
	DeleteOlder(ctx context.Context, hold time.Duration, revision uint64, keys ...string) error
}

// A Staler is a Store that can make an entry stale.
type Staler interface {
	// MarkStale makes the entries under keys stale, however much of their life
	// is left: they are served only where the source fails. One that
	// ends with a hold is removed.
	MarkStale(ctx context.Context, keys ...string) error
}
