package store

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost says that a lease does not stand any more: it ran out, or the
// entry under its key was changed or removed since it was given. Nothing was
// changed by the call.
var ErrLeaseLost = errors.New("the lease was lost")

// ErrLoadFailed says that the source is left alone for a while, because a load of
// the key failed lately, in this process or another.
var ErrLoadFailed = errors.New("a load failed lately")

// A Leaser is a [Watcher] that lets one of all its users load the entry under a
// key while the others wait, and keeps what was loaded only if nothing happened
// to the key since the load began.
//
// A lease is given for a time and broken by every Set and Delete of its key, by
// whomever. It spares the source work. What keeps an old value from overwriting
// a change is that FillLeased compares and writes in one step.
type Leaser[T any] interface {
	// Lease asks for the lease of key for d. It is given only where there is
	// no fresh entry and no lease. An entry of the version not counts as
	// stale, whatever its age, and a lease that not names counts as ended:
	// see Grant.Holder. So does a lease that was given before the store was
	// cleared. Where the last value could not be stored, all who ask are granted the
	// same lease: see FillLeased. Whatever the answer, a later change of the key
	// is told to the watchers, the end of another's lease by Release or
	// FillLeased included.
	Lease(ctx context.Context, key string, d time.Duration, not uint64) (Grant, error)

	// FillLeased keeps e under key and ends the lease, if it still stands and
	// none of the tags of e was invalidated since e.Stamp: else it returns
	// ErrLeaseLost. Otherwise it is [Filler].Fill. An entry that is over
	// removes what is under the key.
	//
	// With an error that is ErrUnstorable or ErrTooLarge the store may have noted that:
	// kept then has a Version, and e may be kept where it can be. Later changes of the key
	// are told to the watchers (watched as in Fill), and the lease is granted to all who
	// ask until one of them happens, or e would have ended: they load for themselves,
	// and do not disturb each other's copies. Without a Version the lease is not over.
	FillLeased(ctx context.Context, key string, lease uint64, e Entry[T]) (kept Entry[T], watched bool, err error)

	// Renew makes the lease last for d from now, or returns ErrLeaseLost.
	Renew(ctx context.Context, key string, lease uint64, d time.Duration) error

	// Release ends the lease without a value, or returns ErrLeaseLost. A stale
	// entry stays. For the time backOff nobody is given another one: who asks
	// is answered with why, which must not be longer than a line. If it is
	// empty, that holds only while a stale entry is there.
	Release(ctx context.Context, key string, lease uint64, backOff time.Duration, why string) error
}

// A Grant is the answer to a request for a lease.
type Grant struct {
	State   LeaseState
	Lease   uint64        // what names the lease, if it is Granted
	Left    time.Duration // how long the lease, or the back-off, lasts
	Version uint64        // of the entry that is there, stale or not; 0: none
	Stamp   uint64        // from before the load, for its Entry.Stamp; 0: the store is no [Stamper]
	Why     string        // the last load failed, if BackedOff

	// Holder names the lease of another, if Taken: as the version not of the
	// next request it counts as ended. Zero: that cannot be done.
	Holder uint64

	// Overtaken says that a tag was invalidated since that lease was given. If
	// what is loaded under it turns out to carry that tag, it is refused.
	Overtaken bool

	Told bool // watchers are told of what is done with a lease by their own store, too
}

// A LeaseState says why a lease is given or not.
type LeaseState uint8

// The states of a lease.
const (
	Granted   LeaseState = iota + 1 // load, then FillLeased or Release
	Taken                           // by somebody else, who is loading
	BackedOff                       // a load failed lately
	Fresh                           // there is a fresh entry: read it
)
