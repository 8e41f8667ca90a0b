package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// A Source is where values come from. The zero Source loads nothing: a read then returns
// what the tiers have. Load or LoadMany suffices; each takes the place of the other.
type Source[T any] struct {
	// Load loads one value. nil: LoadMany with one key.
	Load Loader[T]

	// Reload is called instead of Load where a value is there. nil: Load. A value is
	// there in the background, in [Store.Refresh], and where one past its soft expiry is
	// loaded. It is not there where the value has tags and L2 pushes no invalidations.
	Reload Reloader[T]

	// LoadMany loads several values at once. nil: Load or Reload for each, 8 at a time.
	LoadMany ManyLoader[T]

	// Default is called for a read of key that failed with err. It returns the value to answer
	// with, or the error to return. The answer is flagged as stale, has err as its Cause and
	// Default as its Tier, and is kept in no tier. Default is not called if the source has no
	// value, if the store was closed, or if err is that of the context of the read: the
	// source has not failed then. Refresh and Warm do not call it. A panic is returned as
	// an error. nil: the read returns err.
	Default func(key string, err error) (T, error)
}

// A Loader gets the value under key from the source. An entry without an expiry gets the life
// that Options define, unless it comes from [Store.NewEntry]. An entry that has expired is
// returned but not kept. An error that is store.ErrNotFound, or an entry that is Absent,
// means that the source has no value; this is kept until the entry expires, or for
// Options.AbsentFor. A panic is returned as an error.
//
// Its context has the values of the first caller's and its own deadline. It is cancelled when
// no caller waits any more. Soon after that, callers do not wait for the Loader either; Close
// does. In the background (Options.RefreshAhead, StaleWhileRevalidate) it may run after its
// caller has returned, and is cancelled by Close.
type Loader[T any] func(ctx context.Context, key string) (store.Entry[T], error)

// A ManyLoader gets the values under keys from the source in one call. A key that is not in
// the map is absent at the source. Together with an error it may return the values that it
// has; keys that are not in the map have then failed. With a *[store.ManyError] of strings,
// only the keys in the error have failed. See [Loader] for entries and the context.
type ManyLoader[T any] func(ctx context.Context, keys []string) (map[string]store.Entry[T], error)

// A Reloader is a [Loader] that receives the existing value, old, so that it can ask the
// source whether it is still current: by a version, an ETag, or the time of old.LoadedAt. If
// it is, Reloader returns an error that is store.ErrNotModified. The value is then kept, with
// its tags and revision, and gets a new life: that of the returned entry if it has an expiry,
// else that of the options.
//
// old may be stale. This process has received no invalidation of it, or of one of its tags.
// Another process may still have changed it, or change it while Reloader runs: then
// it is not kept, whatever Reloader returns.
type Reloader[T any] func(ctx context.Context, key string, old store.Entry[T]) (store.Entry[T], error)

// loads reports whether there is a loader.
func (src Source[T]) loads() bool { return src.Load != nil || src.LoadMany != nil }
