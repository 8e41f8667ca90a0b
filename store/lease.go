package store

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost says that a lease is not valid any more: it has expired, or the
// entry under its key was changed or removed since it was given. Nothing was
// changed by the call.
var ErrLeaseLost = errors.New("the lease was lost")

// ErrLoadFailed says that the source is not called for a while, because a load of
// the key failed recently, in this process or another.
var ErrLoadFailed = errors.New("a load failed lately")

// A Leaser is a [Watcher] that lets one process load the entry under a key while the
// others wait. It keeps the loaded entry only if the key did not change since the load
// began.
//
// A lease expires after a time and is revoked by any Set or Delete of its key, from
// any process. Leases save loads. FillLeased compares and writes in one step, which keeps
// an old value from overwriting a change.
type Leaser[T any] interface {
	// Lease asks for the lease of key for d. The lease is given only where there is
	// no fresh entry and no lease. An entry of the version not counts as
	// stale, whatever its age, and a lease that not names counts as ended:
	// see Grant.Holder. A lease that was given before the store was cleared counts
	// as ended too. If the last value could not be stored, all callers are granted
	// the same lease: see FillLeased. Whatever the answer, watchers are notified of
	// later changes of the key, including the end of another caller's lease by Release or
	// FillLeased.
	Lease(ctx context.Context, key string, d time.Duration, not uint64) (Grant, error)

	// FillLeased keeps e under key and ends the lease, if it is still valid and
	// none of the tags of e was invalidated since e.Stamp. Otherwise it returns
	// ErrLeaseLost. The results are those of [Filler].Fill. An entry that has expired
	// removes what is under the key. If e.Stamp is zero, the lease is lost if one of the
	// tags was ever invalidated, as far as the store knows.
	//
	// If the error is ErrUnstorable or ErrTooLarge, the store may remember that for the key.
	// Then kept has a Version, and the caller may keep e in a tier that can hold it.
	// Watchers are notified of later changes of the key (watched as in Fill). Until the next
	// change, or until e would have expired, the lease is granted to all callers: each
	// loads for itself, and the copies of the others stay valid. Without a Version the lease
	// is still valid.
	FillLeased(ctx context.Context, key string, lease uint64, e Entry[T]) (kept Entry[T], watched bool, err error)

	// LeaseMany asks for the leases of keys, each given once, as Lease does: not[i]
	// is a version that counts as stale for keys[i]. The grants are in the places
	// of their keys. The error is a *[ManyError] of those keys for which it
	// failed. Their grants are zero.
	LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]Grant, error)

	// FillManyLeased keeps what was loaded under leases as FillLeased does, and
	// returns the result of each fill in its place.
	FillManyLeased(ctx context.Context, fills []LeasedFill[T]) []Filled[T]

	// Renew makes the lease last for d from now, or returns ErrLeaseLost.
	Renew(ctx context.Context, key string, lease uint64, d time.Duration) error

	// Release ends the lease without a value, or returns ErrLeaseLost. A stale
	// entry stays. For the time backOff no lease is given, and callers get why, which must
	// be one line. If why is empty, leases are refused only while there is a stale entry.
	Release(ctx context.Context, key string, lease uint64, backOff time.Duration, why string) error
}

// A Grant is the answer to a request for a lease.
type Grant struct {
	State   LeaseState
	Lease   uint64        // names the lease, if State is Granted
	Left    time.Duration // how long the lease, or the back-off, lasts
	Version uint64        // of the present entry, stale or not; 0: none
	Stamp   uint64        // from before the load, for its Entry.Stamp; 0: the store is no [Tagger]
	Why     string        // the reason of the last failed load, if State is BackedOff

	// Holder names the other caller's lease, if State is Taken. A request that passes it as
	// not treats that lease as ended. Zero: the store does not support that.
	Holder uint64

	// Overtaken says that a tag was invalidated since the other caller's lease was given. An
	// entry loaded under that lease is refused if it carries the tag.
	Overtaken bool

	// NotifiesOwn says that watchers are also notified when their own store ends the lease.
	NotifiesOwn bool
}

// A LeaseState says why a lease is given or not.
type LeaseState uint8

// The states of a lease.
const (
	Granted   LeaseState = iota + 1 // load, then FillLeased or Release
	Taken                           // another caller is loading
	BackedOff                       // a load failed recently
	Fresh                           // there is a fresh entry: read it
)

// A LeasedFill is an entry that was loaded under a lease.
type LeasedFill[T any] struct {
	Key   string
	Lease uint64
	Entry Entry[T]
}

// Filled is the result of a [LeasedFill]: what FillLeased returns.
type Filled[T any] struct {
	Entry   Entry[T] // as it was kept
	Watched bool
	Err     error
}
