package invalidate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// Verifiable is a cache that [Verify] checks, as *strata.Cache is.
type Verifiable[K comparable, V any] interface {
	Cache[K]
	Peek(ctx context.Context, id K) (store.Entry[V], error) // without the loader
	Get(ctx context.Context, id K) (V, error)
}

// VerifyOptions configure [Verify]. Nil and the zero value select the defaults.
type VerifyOptions[K comparable, V any] struct {
	// Equal compares a cached value with that of the source. nil: reflect.DeepEqual.
	Equal func(cached, source V) bool

	// Settle is how long a difference must last to be reported, because an invalidation may
	// be on its way. It should exceed Config.MaxDisconnected, and with an outbox its Grace
	// and Poll. 0: 3 seconds.
	Settle time.Duration

	// OnStale is called for each stale value, for counters and histograms. nil: nothing is
	// called.
	OnStale func(s StaleValue[K])

	// Bus names the last invalidation of stale values: see BusOptions.Remember. nil: none.
	Bus *Bus
}

// A StaleValue is a cached value that differs from that of the source.
type StaleValue[K comparable] struct {
	ID       K
	Absent   bool          // the cache has it that the source has no value
	Age      time.Duration // since its load began; 0 if unknown
	Version  uint64        // the identity of its write in Redis; 0 without Redis
	Revision uint64        // at the source; 0 if unknown

	// Event and Invalidated are the last event of this process that should have removed it.
	// They are zero if there was none: then a rule or an event is missing, or another
	// process had it.
	Event       string
	Invalidated time.Time
}

// A Report is the result of [Verify].
type Report[K comparable] struct {
	Checked int // values that were cached, and compared
	Missing int // ids that were not cached
	Stale   []StaleValue[K]
}

// Verify compares the cached values of ids with the source, and reports those that differ for
// longer than VerifyOptions.Settle. It calls the loader for each cached id, one after the
// other, and changes nothing in the cache. Run it in the background, on a sample of ids that
// are read often, such as those of Cache.Hottest. The error has the failures of single ids.
// o may be nil.
func Verify[K comparable, V any](ctx context.Context, c Verifiable[K, V], ids iter.Seq[K], o *VerifyOptions[K, V]) (Report[K], error) {
	v := verifier[K, V]{cache: c}
	if o != nil {
		v.opts = *o
	}
	if v.opts.Equal == nil {
		v.opts.Equal = func(a, b V) bool { return reflect.DeepEqual(a, b) }
	}
	if v.opts.Settle == 0 {
		v.opts.Settle = 3 * time.Second
	}
	for id := range ids {
		if ctx.Err() != nil {
			break
		}
		v.compare(ctx, id)
	}
	if len(v.differ) > 0 {
		select {
		case <-time.After(v.opts.Settle):
		case <-ctx.Done():
		}
	}
	for id, before := range v.differ {
		if ctx.Err() == nil {
			v.again(ctx, id, before)
		}
	}
	return v.report, oneline.Join(append(v.errs, context.Cause(ctx))...)
}

type verifier[K comparable, V any] struct {
	cache  Verifiable[K, V]
	opts   VerifyOptions[K, V]
	report Report[K]
	differ map[K]store.Entry[V]
	errs   []error
}

// compare notes id if its cached value differs from that of the source.
func (v *verifier[K, V]) compare(ctx context.Context, id K) {
	e, same, err := v.equal(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		v.report.Missing++
	case err != nil:
		v.errs = append(v.errs, fmt.Errorf("invalidate: verify %v: %w", id, err))
	default:
		v.report.Checked++
		if !same {
			if v.differ == nil {
				v.differ = make(map[K]store.Entry[V])
			}
			v.differ[id] = e
		}
	}
}

// equal compares the cached value with that of the source. The error wraps store.ErrNotFound
// if nothing is cached.
func (v *verifier[K, V]) equal(ctx context.Context, id K) (e store.Entry[V], same bool, err error) {
	e, err = v.cache.Peek(ctx, id)
	if err != nil && !e.Absent {
		return e, false, err
	}
	now, err := v.cache.Get(bypass.With(ctx), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return e, e.Absent, nil
	case err != nil:
		return e, false, err
	}
	return e, !e.Absent && v.opts.Equal(e.Value, now), nil
}

// again reports id if the same cached value still differs.
func (v *verifier[K, V]) again(ctx context.Context, id K, before store.Entry[V]) {
	e, same, err := v.equal(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (same || e.Version != before.Version || e.LoadedAt != before.LoadedAt) {
		return
	}
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("invalidate: verify %v: %w", id, err))
		return
	}
	s := StaleValue[K]{ID: id, Absent: e.Absent, Version: e.Version, Revision: e.Revision}
	if e.LoadedAt != 0 {
		s.Age = max(store.Now().Sub(e.LoadedAt), 0)
	}
	if v.opts.Bus != nil {
		if text, err := v.cache.Text(id); err == nil {
			s.Event, s.Invalidated = v.opts.Bus.last(v.cache.Name(), text)
		}
	}
	v.report.Stale = append(v.report.Stale, s)
	if v.opts.OnStale != nil {
		v.opts.OnStale(s)
	}
}
