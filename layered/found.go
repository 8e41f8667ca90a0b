package layered

import (
	"fmt"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// A Tier is where an answer came from.
type Tier uint8

// The tiers.
const (
	Origin  Tier = iota // the loader
	L1                  // this process
	L2                  // the shared tier
	Default             // none: see [Source].Default
)

// String returns "source", "L1", "L2" or "default".
func (t Tier) String() string {
	switch t {
	case Origin:
		return "source"
	case L1:
		return "L1"
	case L2:
		return "L2"
	case Default:
		return "default"
	default:
		return fmt.Sprintf("Tier(%d)", uint8(t))
	}
}

// Found is an entry and how it was found.
type Found[T any] struct {
	store.Entry[T]
	Tier  Tier
	Stale bool  // past its soft expiry: its load failed, is slow, or runs in the background
	Cause error // why a stale entry or a default was served; nil: a background load runs

	// A reader that joins a load in flight may use the result only if it was read after
	// the reader joined.
	asOf   uint64 // the moment at which it was read or loaded; see [Store.moment]
	proven bool   // the key did not change before newcomers were kept out
	kept   bool   // L1 has kept it, so it answers like L1
	unkept bool   // see Unkept
}

// Unkept reports whether f was loaded by the only process that could keep it, but was not
// kept in L2: its key may have been changed during the load.
func (f *Found[T]) Unkept() bool { return f.unkept }

type call[T any] = flight.Call[Found[T]]

// An item is one key of a read of L2.
type item[T any] struct {
	key  string
	c    *call[T] // nil: the key is not in flight
	look Lookup[T]

	entry   *store.Entry[T] // what the tiers have; nil: nothing
	version uint64          // if entry is nil, that of an entry that is no answer; 0: unknown
	err     error           // why L2 could not be read
	asOf    uint64
	tier    Tier
	stale   bool
	kept    bool  // L1 has kept it
	mark    token // from before the read

	cut     bool // the context of the reader ended the read
	open    bool // the call has not ended: a load is needed
	settled bool // the call has ended without a value: only the leader waits for it
	due     bool // it should be loaded again in the background
}

// found returns what the tiers have. Its Tier is Origin if they have nothing.
func (it *item[T]) found() Found[T] {
	if it.entry == nil {
		return Found[T]{Entry: store.Entry[T]{Version: it.version}, asOf: it.asOf}
	}
	return Found[T]{Entry: *it.entry, Tier: it.tier, Stale: it.stale, asOf: it.asOf, kept: it.kept}
}

// A Lookup is what L1 had under a key: see [Store.Lookup]. It is passed along, so that a
// read looks into L1 once. The zero Lookup means that L1 was not asked.
type Lookup[T any] struct {
	entry *store.Entry[T] // nil: nothing
	at    uint64          // the number of changes of L1 at that time, plus one
}

// Entry returns the entry that L1 had, or nil. It is shared and must not be changed.
func (l Lookup[T]) Entry() *store.Entry[T] { return l.entry }
