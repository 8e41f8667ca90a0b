package layered

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/clock"
	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/layered/internal/cooldown"
	"github.com/lokroom/strata/layered/internal/fence"
	"github.com/lokroom/strata/layered/internal/limit"
	"github.com/lokroom/strata/store"
)

// A Store is a two-tier store. It has every capability of package store; a method that the
// tiers do not support returns an error that is errors.ErrUnsupported. All methods may be
// called concurrently.
type Store[T any] struct {
	*core[T]
	complete func(key string, e store.Entry[T]) (store.Entry[T], error) // see Completing; nil: entries are kept as they are
}

// A core is what all views of a Store share.
type core[T any] struct {
	opts     Options[T]
	l1       store.Store[T]  // never nil
	viewer   store.Viewer[T] // L1, if it is a Viewer
	l2       store.Store[T]  // never nil
	hasL2    bool
	watched  bool            // L2 pushes invalidations
	filler   store.Filler[T] // nil if L2 is none
	leaser   store.Leaser[T] // the same
	tagger   store.Tagger    // the same
	maxStale time.Duration   // of a copy, see [store.Watcher]; 0: L2 pushes invalidations
	stop     []func()        // ends the watch, and what runs in the background
	countL1  bool            // L1 does not count its hits

	refreshSlots  *refreshSlots      // nil without background refreshes
	failures      *cooldown.Failures // nil if failures are not remembered
	limit         *limit.Limiter
	usualLoadTime average // how long a load takes
	orphans       orphans
	abandoned     deadline.Queue // loads that are abandoned unless they end before

	fence        *fence.Fence
	conn         connection
	flights      flight.Group[Found[T]]
	items        sync.Pool     // of *[]item[T], of batches
	moment       atomic.Uint64 // counts the reads of L2 and the loads, see Found.asOf
	clock        clock.Coarse
	sampler      sampler
	hotKeys      hotKeys
	retryQueue   *retry.Queue
	long         longQueue
	recentWrites *retry.Log // nil if L2 is not watched
	ownHolds     ownHolds
	localIntents localIntents
	count        counters
	closed       atomic.Bool
}

func (s *Store[T]) errClosed(op, key string) error {
	return s.failed(op, key, store.ErrClosed)
}

// failed returns the error of an operation of the store itself, not of a tier or a loader.
// key is empty if there is no single one.
func (s *Store[T]) failed(op, key string, err error) error {
	return &store.Error{Store: "layered", Cache: s.opts.Name, Op: op, Key: key, Err: err}
}

// named returns err, of a tier, with the name of the cache.
func (s *Store[T]) named(err error) error { return store.InCache(err, s.opts.Name) }

// shorter returns the earlier of two expiries. Zero is no expiry.
func shorter(a, b store.Time) store.Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// counters are the counters of a Store. An L1 that is a Reporter counts its hits itself:
// l1Stale counts those that did not serve.
type counters struct {
	l1Hits, l1Stale, l2Hits, misses, l2Errors atomic.Uint64
	loads, loadErrors, shared                 atomic.Uint64
	staleServed, invalidations, lost, refused atomic.Uint64
	waits, revalidated, replayed, suspect     atomic.Uint64
	refreshes, refreshErrors, notModified     atomic.Uint64
	overloads, defaults, unstorable           atomic.Uint64
	ownChanges, tagged                        atomic.Uint64
}
