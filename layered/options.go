package layered

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// Options of a Store. The zero Options are the defaults.
type Options[T any] struct {
	// Name is the name of the cache. It is the Cache of each [store.Error] that the
	// Store returns and of each [store.Op] that Observer receives. The error of a read
	// of L2 has the name only if L2 has it too. An error of a loader is returned as it
	// is. Empty: errors and operations name no cache.
	Name string

	// TTL is how long a loaded value is fresh, unless its entry has an expiry. 0: 5 minutes.
	// store.Forever: until evicted.
	TTL time.Duration

	// StaleFor is how long after its TTL a value is kept, to be served if the source fails. If
	// L2 is unreachable too, L1 serves such values although another process may have changed
	// them. It never serves a value that this process changed, or for
	// which it received an invalidation. 0: not at all.
	StaleFor time.Duration

	// StrictStale serves no stale value that another process may have changed. If neither the
	// source nor L2 answers, callers get the error of the source.
	StrictStale bool

	// AbsentFor is how long the absence of a value at the source is remembered. 0: 30 seconds.
	// Negative: not at all.
	AbsentFor time.Duration

	// L1TTL bounds the life of an entry in L1, which is never longer than its life in L2. 0:
	// no other bound.
	L1TTL time.Duration

	// Jitter is the fraction of TTL, AbsentFor and L1TTL, in 0..1, up to which a random part
	// is subtracted, so that values loaded together do not expire together. It only shortens a
	// life. 0: 0.1. Negative: none.
	Jitter float64

	// RefreshAhead is the fraction of a value's fresh life, in 0..1, after which a read starts
	// a background refresh. One process refreshes at a time; the others serve the value
	// meanwhile. Jitter moves it earlier. 0: no refresh.
	RefreshAhead float64

	// RefreshBeta starts a background refresh at a random time before the end of the fresh
	// life, drawn for each copy. On average that is RefreshBeta times the duration of the
	// load; the earliest of n processes draws about ln n times that. Slow loads thus start
	// early, fast ones late, and values loaded together are not refreshed together. It is
	// XFetch (Vattani, Chierichetti and Lowenstein 2015), for which 1 is optimal if the loads
	// of a value take equally long; a larger value is earlier. With RefreshAhead, the earlier
	// time counts. 0: no refresh.
	RefreshBeta float64

	// RefreshSoon lets the caller start background refreshes with [Store.RefreshSoon] although
	// RefreshAhead, RefreshBeta and StaleWhileRevalidate are not set.
	RefreshSoon bool

	// RefreshLimit is the maximum number of concurrent background loads. A refresh beyond it
	// is left to a later read. 0: 8.
	RefreshLimit int

	// StaleWhileRevalidate returns a stale value immediately, flagged as stale, while one
	// process refreshes it in the background. A value that was deleted or replaced is never
	// returned; one made stale by MarkStale is. Without it, readers wait for the load.
	StaleWhileRevalidate bool

	// RevalidateFor bounds StaleWhileRevalidate. A read of a value that has been stale for
	// longer waits for the load. It gets the value only if the load fails, or takes longer
	// than SoftTimeout or the context of the read allows. A value made stale by MarkStale is
	// older than any bound. 0: StaleFor is the only bound.
	RevalidateFor time.Duration

	// LoadTimeout bounds a load, whatever deadlines its callers have. A loader that ignores it
	// is abandoned a tenth of a second later; until it returns it counts for MaxLoads. 0: 30
	// seconds. Negative: no bound.
	LoadTimeout time.Duration

	// SoftTimeout is how long a read waits for a load if there is a stale value. Then it
	// returns that value, flagged as stale with store.ErrSlow as its Cause, and the load
	// continues. It counts from the start of the load. It is also how long a load waits for a
	// slot of MaxLoads and for LoadBudget. 0: no stale value is returned for that reason, and
	// a load waits for its slot and the budget for a second.
	SoftTimeout time.Duration

	// FinishLoads lets a load that no caller waits for continue, up to LoadTimeout, so that
	// the next read finds the value. Without it such loads are cancelled, unless a caller was
	// served a stale value meanwhile.
	FinishLoads bool

	// MaxLoads is the maximum number of concurrent loads in this process; a batch counts as
	// one. Further loads wait: see SoftTimeout. A load that still must not begin returns a
	// stale value if there is one, with an error that is store.ErrOverload as its Cause; else
	// that error. Background loads do not wait: a later read tries again. 0: no bound.
	MaxLoads int

	// LoadBudget is called before each load; a batch counts as one. It blocks until the load
	// may begin, or returns an error if it must not, at the latest when its context ends. The
	// result is then as with MaxLoads, and no other process loads the key for SoftTimeout.
	// Wait of a ratelimit.Limiter can be used, also for all processes together. LoadBudget
	// must not read from the Store. It may be called concurrently. nil: no budget.
	LoadBudget func(ctx context.Context) error

	// Lease is how long this process may take to load a key while other processes wait, before
	// one of them loads. It is renewed while the load runs, so only a process that stopped
	// loses it. 0: 3 seconds.
	Lease time.Duration

	// RetryAfter is how long all processes leave a failed source alone if there is a stale
	// value, or a value to refresh. In the background it doubles after each further failure,
	// up to 16 times, less Jitter, until a load succeeds. If L2 is unreachable or no
	// store.Leaser, it applies to this process only. 0: 5 seconds. Negative: the next read
	// tries again.
	RetryAfter time.Duration

	// HoldErrors applies RetryAfter also if there is no stale value: until then a read of the
	// key returns an error that is store.ErrLoadFailed and the error of the source. It applies
	// to this process only.
	HoldErrors bool

	// MaxDisconnected bounds the life in L1 of a value loaded while L2 was unreachable, for
	// which no invalidations arrive. 0: 2 seconds. Negative: L1 keeps no such value.
	MaxDisconnected time.Duration

	// Tags are shared by stores that InvalidateTags of any of them affects where there is no L2.
	// An L2 that is a store.Tagger has its own tags, and needs these for values loaded while
	// it is unreachable. nil: tags of this Store only.
	Tags *Tags

	// RecentWritesFor is how long the keys changed through this Store are remembered. If L2
	// possibly lost acknowledged writes, for example in a failover (see store.Watching),
	// they are deleted from it again, and loaded from the source until that is done. At most 100,000 keys are remembered, which takes about 6 MB. With more,
	// and after a Clear or DeletePattern, L2 is cleared instead. 0: 60 seconds. Negative: none
	// are remembered.
	RecentWritesFor time.Duration

	// SampleEvery is the minimum interval between comparisons of an L1 answer with L2, in the
	// background, without transferring a value: see Counts.Sampled. 0: one second. Negative:
	// never.
	SampleEvery time.Duration

	// KeepHot is how many of the most read keys are added once a minute to the list that L2
	// keeps for all processes: see SaveHot. Reads are then counted from the start; see Hottest
	// for the memory. Without an L2 nothing else happens. 0: no list, and reads are counted
	// from the first call of Hottest or SaveHot.
	KeepHot int

	// Copy copies a value for each of several callers that share a load or a read of L2. It
	// may run concurrently, also on one value; its error is returned to the caller. It is for
	// an L1 that returns a separate value to each caller, as store/encodedstore does. nil:
	// callers share the value.
	Copy func(T) (T, error)

	// KeepL1 reports whether L1 keeps a copy of a value from L2 or the source. L1 asks it for
	// each copy that it would keep. It must be quick; false after a panic. Without an L2, L1
	// keeps all values. nil: L1 keeps all values.
	KeepL1 func(key string, v T) bool

	// Changed is called with the keys that were changed through this Store, or possibly were;
	// nil means any key. It is called before the write returns, whether that failed or not,
	// and again when a retried write succeeds. Loads, refreshes and Expire do not call it. ctx
	// may have ended. Its error is returned by the write if that has none. nil: no call.
	Changed func(ctx context.Context, keys []string) error

	// Invalidated is called when L2 has pushed an invalidation of keys, or possibly would have;
	// nil means any key. It must be quick and not block. nil: no call.
	Invalidated func(keys []string)

	// Refused is called when L2 permanently refuses a retried write, for example of a key that
	// is too long. The write leaves the retry queue, and L2 keeps what it has. key is empty
	// for a Clear. Refused must be quick. nil: see Counts.RetryRefused and Observer.
	Refused func(key string, err error)

	// RetryQueueLong is called after a failed retry, at most once a minute, while the queue has
	// a thousand keys (-1: all keys) or a write that is older than ten seconds; and once with no
	// keys and no error when L2 has acknowledged all of it. It must be quick. nil: no call.
	RetryQueueLong func(keys int, oldest time.Duration, err error)

	// Observer is notified of each load. nil: none.
	Observer store.Observer
}

// DefaultAbsentFor is the default of [Options.AbsentFor].
const DefaultAbsentFor = 30 * time.Second

// normalize replaces zeros by defaults and returns what is wrong.
func (o *Options[T]) normalize() (errs []error) {
	if o.TTL < 0 {
		errs = append(errs, fmt.Errorf("TTL %v is negative", o.TTL))
	}
	if o.StaleFor < 0 {
		errs = append(errs, fmt.Errorf("StaleFor %v is negative", o.StaleFor))
	}
	if o.L1TTL < 0 {
		errs = append(errs, fmt.Errorf("L1TTL %v is negative: to do without L1, pass none", o.L1TTL))
	}
	if o.SoftTimeout < 0 {
		errs = append(errs, fmt.Errorf("SoftTimeout %v is negative", o.SoftTimeout))
	}
	if o.MaxLoads < 0 {
		errs = append(errs, fmt.Errorf("MaxLoads %d is negative", o.MaxLoads))
	}
	if o.Lease < 0 {
		errs = append(errs, fmt.Errorf("lease of %v is negative", o.Lease))
	}
	if o.KeepHot < 0 {
		errs = append(errs, fmt.Errorf("KeepHot %d is negative", o.KeepHot))
	}
	if o.RefreshLimit < 0 {
		errs = append(errs, fmt.Errorf("RefreshLimit %d is negative", o.RefreshLimit))
	}
	if !(o.RefreshAhead >= 0 && o.RefreshAhead < 1) {
		errs = append(errs, fmt.Errorf("RefreshAhead %v is no share of a life", o.RefreshAhead))
	}
	if !(o.RefreshBeta >= 0 && o.RefreshBeta <= math.MaxFloat64) {
		errs = append(errs, fmt.Errorf("RefreshBeta %v is no factor", o.RefreshBeta))
	}
	if o.RevalidateFor < 0 {
		errs = append(errs, fmt.Errorf("RevalidateFor %v is negative", o.RevalidateFor))
	}
	if o.Jitter > 1 {
		errs = append(errs, fmt.Errorf("jitter %v is more than the whole life", o.Jitter))
	}
	if o.Jitter != o.Jitter {
		errs = append(errs, errors.New("jitter is not a number"))
	}
	o.TTL = orDefault(o.TTL, 5*time.Minute)
	o.AbsentFor = orDefault(o.AbsentFor, DefaultAbsentFor)
	o.LoadTimeout = orDefault(o.LoadTimeout, 30*time.Second)
	o.Lease = orDefault(o.Lease, 3*time.Second)
	o.RetryAfter = orDefault(o.RetryAfter, 5*time.Second)
	o.MaxDisconnected = orDefault(o.MaxDisconnected, 2*time.Second)
	o.RecentWritesFor = orDefault(o.RecentWritesFor, time.Minute)
	o.SampleEvery = orDefault(o.SampleEvery, time.Second)
	if o.RefreshLimit == 0 {
		o.RefreshLimit = 8
	}
	if o.Jitter == 0 {
		o.Jitter = 0.1
	}
	if o.Tags == nil {
		o.Tags = &Tags{}
	}
	o.Jitter = max(o.Jitter, 0)
	return errs
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// jitter subtracts a random part of d.
func (o *Options[T]) jitter(d time.Duration) time.Duration { return keys.Jitter(d, o.Jitter) }

// live sets the expiries of e. They count from LoadedAt, when the value was true.
func (o *Options[T]) live(e *store.Entry[T], ttl time.Duration) {
	e.ExpiresAt = e.LoadedAt.Add(o.jitter(ttl))
	if o.StaleFor > 0 && ttl > 0 && e.ExpiresAt != 0 && !e.Absent {
		e.StaleAt = e.ExpiresAt
		e.ExpiresAt = e.ExpiresAt.Add(o.StaleFor)
	}
}
