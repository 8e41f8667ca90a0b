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

	// TTL is how long a loaded value is fresh, if its entry does not say.
	// 0: 5 minutes. store.Forever: until evicted.
	TTL time.Duration

	// StaleFor is how much longer than TTL such a value is kept, to be served
	// where the source fails. Where L2 cannot be reached either, L1 serves what it
	// has of that age, even if it may have been changed elsewhere since L2 was heard
	// of: never what this process has changed, or was told of.
	StaleFor time.Duration

	// StrictStale has nothing served as stale that may have been changed elsewhere:
	// where neither the source nor L2 can answer, callers get the error of the source.
	StrictStale bool

	// AbsentFor is how long it is remembered that the source has no value.
	// 0: 30 seconds. Negative: not at all.
	AbsentFor time.Duration

	// L1TTL bounds the life of an entry in L1, which is never longer than its
	// life in L2. 0: no other bound.
	L1TTL time.Duration

	// Jitter is the share of TTL, AbsentFor and L1TTL, in 0..1, that is taken
	// off at random, so that what was loaded together does not expire
	// together. It only ever shortens a life. 0: 0.1. Negative: none.
	Jitter float64

	// RefreshAhead is the share of a value's fresh life, in 0..1, after which
	// the first read has it loaded anew in the background, by one process in
	// the fleet, while all go on reading it; less a part by Jitter, so that a
	// value that is read all the time is never waited for. 0: no value is.
	RefreshAhead float64

	// RefreshBeta has a value loaded anew, as RefreshAhead does, at a moment that is
	// drawn for each copy of it: the earlier before the end of its fresh life, the
	// longer its load took. On average that is RefreshBeta times the time of the
	// load, and of n processes the first has drawn a longer one, by some ln n. So
	// what takes long is loaded early, what takes nothing hardly before its end,
	// and values that were loaded together are not loaded together again. It is
	// XFetch (Vattani, Chierichetti and Lowenstein 2015), for which 1 is the best
	// where the loads of a value take alike; more is earlier. With RefreshAhead, the
	// earlier of the two counts. 0: none is.
	RefreshBeta float64

	// RefreshLimit is how many loads may be under way in the background at the
	// same time. What would be one more is left to a later read. 0: 8.
	RefreshLimit int

	// StaleWhileRevalidate has a value that is past its soft expiry answered at
	// once, flagged as stale, while it is loaded in the background by one
	// process in the fleet. What was deleted or set is never among that; what
	// was made stale by MarkStale is. Without it the readers wait for the load.
	StaleWhileRevalidate bool

	// RevalidateFor bounds that: who reads a value that has been past its soft expiry
	// for longer waits for the load, and gets the value only if that fails, or takes
	// longer than SoftTimeout, or his context, allows. What MarkStale has made stale
	// counts as older than any bound. 0: StaleFor is the only one.
	RevalidateFor time.Duration

	// LoadTimeout bounds a load, whatever deadlines its callers have. A loader
	// that does not heed it is left alone a tenth of a second later; while it
	// runs it still counts among MaxLoads. 0: 30 seconds. Negative: no bound.
	LoadTimeout time.Duration

	// SoftTimeout is how long a load is waited for where a value past its soft
	// expiry is there: after that time, counted from its begin, that value is
	// the answer, flagged as stale with store.ErrSlow as its Cause, and the load
	// goes on. It is also how long a load waits for a place among MaxLoads and
	// for LoadBudget. 0: a stale value is not served because of that, and the
	// budget is waited for for a second.
	SoftTimeout time.Duration

	// FinishLoads lets loads that nobody waits for any more go on, until
	// LoadTimeout at most, so that the next read finds what they bring. Without
	// it they are cancelled, unless somebody was served a stale value meanwhile.
	FinishLoads bool

	// MaxLoads is how many loads may be under way in this process at the same
	// time; a batch counts as one. One more waits: see SoftTimeout. If it must
	// not begin then, a stale value is served if there is one, with an error
	// that is store.ErrOverload as its Cause; else that error is returned. In
	// the background nothing waits: a later read tries again. 0: no bound.
	MaxLoads int

	// LoadBudget is asked before each load; a batch counts as one. It waits until
	// the load may begin, or returns an error, at the latest when its context
	// ends, if it must not: that is then as above, and no other process tries to
	// load that key for the time of SoftTimeout. The Wait of a ratelimit.Limiter
	// does it, also for all processes together. It must not read from the Store.
	// It may be called concurrently. nil: there is none.
	LoadBudget func(ctx context.Context) error

	// Lease is how long this process may take to load a key while others wait
	// for it, before one of them tries. It is renewed while the load goes on,
	// so that only a process that has stopped loses it. 0: 3 seconds.
	Lease time.Duration

	// RetryAfter is how long a source that failed is left alone, by all
	// processes, where there is a stale value to serve, or one to load anew. In
	// the background it is twice as long after each failure that follows, up to 16
	// times, less a part by Jitter, until a load succeeds. While L2 cannot be
	// reached, or is no store.Leaser, it is this process only. 0: 5 seconds.
	// Negative: the next read tries again.
	RetryAfter time.Duration

	// HoldErrors leaves a source that failed alone for RetryAfter also where there
	// is nothing stale to serve: a read of the same key returns an error that is
	// store.ErrLoadFailed, and that of the source, until then. In this process
	// only.
	HoldErrors bool

	// MaxUnheard bounds the life in L1 of what was loaded while L2 could not
	// be reached and so cannot tell of changes. 0: 2 seconds. Negative:
	// nothing is kept in L1 then.
	MaxUnheard time.Duration

	// Tags are shared by stores that are to be concerned by each other's
	// InvalidateTags where there is no L2; one that is a store.Tagger has tags
	// of its own, and needs these for what is loaded while it cannot be
	// reached. nil: the store's own.
	Tags *Tags

	// JournalFor is how long it is remembered which keys were changed through this
	// Store. When L2 may have lost confirmed writes, in a failover for instance
	// (see store.Rewinder), those of that time are deleted from it once more,
	// and read from the source until that is done. At most 100,000 keys, which
	// take some 6 MB, are remembered; with more, and after a Clear or a
	// DeletePattern, L2 is cleared instead. 0: 60 seconds. Negative: nothing is.
	JournalFor time.Duration

	// SampleEvery is how often, at most, an answer of L1 is compared with what
	// L2 has, in the background, without moving a value: see Counts.Sampled.
	// 0: every second. Negative: never.
	SampleEvery time.Duration

	// KeepHot is how many of the keys that are read most through this Store are
	// added once a minute to the list that L2 keeps for all processes: see
	// SaveHot. With it, reads are counted from the beginning; see Hottest for what
	// that takes. Without an L2 that is all it does. 0: none is added, and reads are
	// counted from the first call of Hottest or SaveHot.
	KeepHot int

	// Copy copies a value for each of several callers who share a load, or a read
	// of L2. It may run concurrently, also on one value; an error is theirs. It is
	// for an L1 that gives each caller a value of his own, as store/encodedstore
	// does, so that nobody shares one with anybody. nil: they share the value.
	Copy func(T) (T, error)

	// Changed is called when keys were changed through this Store, or any of them
	// may have been (nil), before the call that did it returns, whether or not
	// that failed; and again when L2 has been told of a change later. Loads,
	// refreshes and Expire change nothing. ctx may have ended. Its error is that
	// of the call if that has none. nil: nobody is told.
	Changed func(ctx context.Context, keys []string) error

	// Refused is called when L2 refuses a change for good that was retried, such as that of a key
	// that is too long: the change leaves the retry queue, and L2 keeps what it has. key is
	// empty for a Clear. Refused must be quick. nil: only Counts.PendingRefused and the Observer tell.
	Refused func(key string, err error)

	// Observer is told of each load. nil: nobody.
	Observer store.Observer
}

// DefaultAbsentFor is how long it is remembered that the source has no value, where
// Options do not say.
const DefaultAbsentFor = 30 * time.Second

// normalize puts defaults in the place of zeros and returns what is wrong.
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
	o.MaxUnheard = orDefault(o.MaxUnheard, 2*time.Second)
	o.JournalFor = orDefault(o.JournalFor, time.Minute)
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

// jitter takes a random part off d.
func (o *Options[T]) jitter(d time.Duration) time.Duration { return keys.Jitter(d, o.Jitter) }

// NewEntry returns an entry of v that is fresh for ttl from now, less the jitter,
// and then stale for Options.StaleFor. A ttl of 0 means Options.TTL, a negative
// one that the entry is not to be kept.
func (s *Store[T]) NewEntry(v T, ttl time.Duration) store.Entry[T] {
	e := store.Entry[T]{Value: v, LoadedAt: store.Now()}
	s.opts.live(&e, orDefault(ttl, s.opts.TTL))
	return e
}

// live gives e, which came into being at LoadedAt, its life. The life of a value
// counts from then, because that is what it was true at.
func (o *Options[T]) live(e *store.Entry[T], ttl time.Duration) {
	e.ExpiresAt = e.LoadedAt.Add(o.jitter(ttl))
	if o.StaleFor > 0 && ttl > 0 && e.ExpiresAt != 0 && !e.Absent {
		e.StaleAt = e.ExpiresAt
		e.ExpiresAt = e.ExpiresAt.Add(o.StaleFor)
	}
}
