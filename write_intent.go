package strata

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A WriteIntent announces a change of the source. See [Cache.BeginWrite].
type WriteIntent[K comparable, V any] struct {
	cache  *untyped[K]
	intent *layered.WriteIntent[any]
}

// BeginWrite announces a change of the source of ids. Unlike a single Delete after the
// change, it leaves no old value behind if the process crashes between the change and the
// Delete:
//
//	w, err := listings.BeginWrite(ctx, 10*time.Second, id)
//	// change the source and commit
//	err = w.Commit(ctx)
//
// Until Commit, loaded values are cached for hold at most. hold must be longer than the
// change can take, including a commit with an unknown outcome. If BeginWrite fails, there
// is no write intent: give up the change, or make it and call Delete.
func (c *Cache[K, V]) BeginWrite(ctx context.Context, hold time.Duration, ids ...K) (*WriteIntent[K, V], error) {
	w, err := c.beginWrite(ctx, hold, ids...)
	if err != nil {
		return nil, err
	}
	return &WriteIntent[K, V]{c.untyped, w}, nil
}

// Commit ends the write intent and invalidates the values of its ids in every process,
// whether the source was changed or not. If Redis is unreachable, the effects are those
// described at [Cache.Delete], and old values expire with the hold.
func (w *WriteIntent[K, V]) Commit(ctx context.Context) error { return w.intent.Commit(ctx) }

// CommitSet is Commit that sets values, which must be the current ones at the source. A
// value is set only if no process has written its id or begun to since BeginWrite, and if
// it can be stored. Otherwise the next Get loads it. The error names the values that cannot
// be stored.
func (w *WriteIntent[K, V]) CommitSet(ctx context.Context, values map[K]V) error {
	if w.cache.keepsNothing() {
		return w.Commit(ctx)
	}
	entries, _, errs := w.cache.givenAll("commit", untypedAll(values))
	return oneline.Join(store.NewManyError(errs), w.intent.CommitSet(ctx, entries))
}
