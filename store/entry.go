package store

import "time"

// An Entry is a value on its way through the tiers, with all that the next tier
// needs to keep it. The zero Entry holds the zero value and lives until evicted.
type Entry[T any] struct {
	// Value is the value; the zero T if Absent.
	Value T

	// ExpiresAt is the hard expiry: from then on the entry is not returned.
	// Zero: it lives until it is evicted.
	ExpiresAt Time

	// StaleAt is the soft expiry: from then on the entry should be refreshed,
	// and be served only where a stale value is better than none. Zero, or a
	// time past ExpiresAt: fresh until ExpiresAt.
	StaleAt Time

	// LoadedAt is when the load that produced the value began, as a [Time] of the
	// process that loaded it. Zero: not known. It is for people, not for
	// decisions: clocks of different processes differ.
	LoadedAt Time

	// LoadTime is how long that load took, which is an estimate of what the next one will cost.
	// A store may round it up to a millisecond, and may keep a minute for
	// anything longer. Zero: not known.
	LoadTime time.Duration

	// Tags are the invalidation tags of the entry. Not to be changed.
	Tags []string

	// Version identifies the write that produced this copy. It is opaque, and
	// zero if the store does not have one. In-process stores keep one that is
	// given to Set, so that it identifies a copy; others give their own.
	Version uint64

	// Revision is the version of the value at the source, as a number that grows
	// with every change there. Zero: there is none. A [Reviser] compares it, and
	// so does a [Writer]; others need not keep it.
	Revision uint64

	// Stamp is a reading of the clock of the tags (see [Tagger]) from before
	// the value was loaded. Zero: there is none.
	Stamp uint64

	// Epoch is for a tier that keeps copies of entries of another: it identifies
	// the copies that are suspect. In-process stores keep it, others do not.
	Epoch uint64

	// RefreshAt is for a tier that keeps copies of entries of another: from then on the
	// first read of the copy has the entry loaded again. Zero: no read does. In-process stores keep it,
	// others do not.
	RefreshAt Time

	// CheckAt is for a tier that keeps copies of entries of another: from then on it
	// revalidates the copy before it serves it: see [Watcher].MaxStale. Zero: there is no such time.
	// In-process stores keep it, others do not.
	CheckAt Time

	// Absent says that the source has no value under this key, and that this
	// was remembered.
	Absent bool

	// Size is the number of bytes of the encoded value, where known, else 0.
	Size int
}

// WithValue returns e with the value v, which may be of another type.
func WithValue[T, U any](e *Entry[U], v T) Entry[T] {
	return Entry[T]{
		Value: v, ExpiresAt: e.ExpiresAt, StaleAt: e.StaleAt, LoadedAt: e.LoadedAt, LoadTime: e.LoadTime, Tags: e.Tags, Version: e.Version,
		Revision: e.Revision, Stamp: e.Stamp, Epoch: e.Epoch, RefreshAt: e.RefreshAt, CheckAt: e.CheckAt, Absent: e.Absent, Size: e.Size,
	}
}

// Expired reports whether e is past its hard expiry at now.
func (e *Entry[T]) Expired(now Time) bool { return e.ExpiresAt != 0 && now >= e.ExpiresAt }

// Stale reports whether e is past its soft expiry at now.
func (e *Entry[T]) Stale(now Time) bool { return e.StaleAt != 0 && now >= e.StaleAt }

// Supersedes reports whether e is as new as other, or newer, by their revisions at
// the source. An entry without a Revision supersedes none.
func (e *Entry[T]) Supersedes(other *Entry[T]) bool {
	return e.Revision != 0 && e.Revision >= other.Revision
}

// MissError is what a Get that found e returns as its error: ErrNotFound if the
// entry is absent, else nil.
func (e *Entry[T]) MissError() error {
	if e.Absent {
		return ErrNotFound
	}
	return nil
}
