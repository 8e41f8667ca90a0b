package store

import "context"

// A Tagger is a Store that can invalidate all entries that carry a tag at once. It knows by a
// logical clock which entries a tag invalidates: those with a Stamp from before the last
// invalidation of one of their tags. A value that is to carry tags is stamped before its load
// begins, so that tags which are known only after the load are safe, too.
//
// A Tagger that is a [Watcher] need not notify of InvalidateTags, because a tier that
// keeps copies asks Current before it serves one. Its Get of an entry that was
// invalidated is ErrNotFound, and the entry returned with it has the Version of
// that one and nothing else: see [Leaser].Lease.
//
// An entry that is set with tags and without a Stamp gets a reading of the clock from
// then: only later invalidations concern it.
type Tagger interface {
	// InvalidateTags makes every entry unusable that was set before the call
	// with at least one of tags among its Tags, or is set later with an older Stamp.
	InvalidateTags(ctx context.Context, tags ...string) error

	// Stamp returns a reading of the clock for Entry.Stamp, which is not zero. It may be
	// old: an old stamp costs a load, and is never wrong.
	Stamp(ctx context.Context) (uint64, error)

	// Current reports from memory, without I/O or allocation, whether no tag
	// of an entry with these tags and this stamp was invalidated since. known
	// is false if it would have to ask. A store that keeps everything in memory
	// always knows.
	Current(tags []string, stamp uint64) (ok, known bool)

	// Recall reports from memory whether no tag of an entry with these tags and this
	// stamp was invalidated since, as far as was known when the store was connected
	// last. What is not known counts as invalidated. A tag that the store has lost, with
	// all of its data, was not invalidated by that. Where Current always knows, Recall is
	// the same.
	Recall(tags []string, stamp uint64) bool
}

// InvalidateTags invalidates the entries of s that carry one of tags as
// [Tagger] describes. Without the capability it returns an error that is
// errors.ErrUnsupported.
func InvalidateTags[T any](ctx context.Context, s Store[T], tags ...string) error {
	if t, ok := s.(Tagger); ok {
		return t.InvalidateTags(ctx, tags...)
	}
	return unsupported(s, "invalidate tags")
}
