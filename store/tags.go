package store

import "context"

// A Tagger is a Store that can invalidate all entries that carry a tag at once.
type Tagger interface {
	// InvalidateTags makes every entry unusable that was set before the call
	// with at least one of tags among its Tags.
	InvalidateTags(ctx context.Context, tags ...string) error
}

// A Stamper is a [Tagger] that knows by a logical clock which entries a tag
// invalidates: those whose Stamp is before the last invalidation of one of their
// tags. A value that is to carry tags is stamped before its load begins, so that
// tags which are known only after the load are safe, too.
//
// A Stamper that is a [Watcher] need not tell of InvalidateTags, because whoever
// keeps copies asks Current before it serves one. Its Get of an entry that was
// invalidated is ErrNotFound, and the entry returned with it has the Version of
// that one and nothing else: see [Leaser].Lease.
type Stamper interface {
	Tagger

	// Stamp returns a reading of the clock for Entry.Stamp. It may be old: an
	// old stamp costs a load, and is never wrong.
	Stamp(ctx context.Context) (uint64, error)

	// Current reports from memory, without I/O or allocation, whether no tag
	// of an entry with these tags and this stamp was invalidated since. known
	// is false if it would have to ask.
	Current(tags []string, stamp uint64) (ok, known bool)
}

// A Recaller is a [Stamper] that recalls what it knew when it heard of changes last.
type Recaller interface {
	Stamper

	// Recall reports from memory whether, as far as was told before changes may
	// have gone untold, no tag of an entry with these tags and this stamp was
	// invalidated since. What is not known counts as invalidated.
	Recall(tags []string, stamp uint64) bool
}

// InvalidateTags invalidates the entries of s that carry one of tags as
// [Tagger] describes it. Without the capability it returns an error that is
// errors.ErrUnsupported.
func InvalidateTags[T any](ctx context.Context, s Store[T], tags ...string) error {
	if t, ok := s.(Tagger); ok {
		return t.InvalidateTags(ctx, tags...)
	}
	return unsupported(s, "invalidate tags")
}
