package strata

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// WarmOptions configure [Cache.Warm]. Nil and the zero value select the defaults.
type WarmOptions struct {
	// Concurrency is the maximum number of concurrent loads: calls of Options.LoadMany, or
	// of the loader if there is none. 0: 8.
	Concurrency int

	// BatchSize is the maximum number of ids in one Redis exchange and in one call of
	// Options.LoadMany. 0: 100.
	BatchSize int

	// Progress is called after each batch with the progress so far, by one goroutine at a
	// time. Warm continues when it returns. nil: progress is not reported.
	Progress func(WarmProgress)
}

// WarmProgress is the progress of [Cache.Warm].
type WarmProgress struct {
	Done   int // ids resolved, including those known to be absent
	Failed int // ids that could not be loaded, or are invalid
}

func (o *WarmOptions) normalize() error {
	var errs []error
	if o.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("option Concurrency %d is negative", o.Concurrency))
	}
	if o.BatchSize < 0 {
		errs = append(errs, fmt.Errorf("BatchSize %d is negative", o.BatchSize))
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	if o.BatchSize == 0 {
		o.BatchSize = 100
	}
	return oneline.Join(errs...)
}

// Warm fills L1 and Redis with the values of ids, like GetMany. It loads ids that no tier
// has fresh, waits for loads in flight, and shares its own loads with other callers. ids
// may be slices.Values of a list, or a sequence that reads from a database; the calling
// goroutine reads it.
//
// It returns the number of ids resolved. A failure of one id does not stop the others; the
// error has the first few causes, each once. When ctx ends, Warm ends with an error that
// wraps that of ctx.
func (c *untyped[K]) Warm(ctx context.Context, ids iter.Seq[K], o *WarmOptions) (n int, err error) {
	w := &warming[K]{cache: c, ctx: ctx}
	if o != nil {
		w.opts = *o
	}
	if err := w.opts.normalize(); err != nil {
		return 0, c.failed("warm", err)
	}
	if c.keepsNothing() {
		return 0, c.failed("warm", errWritesOff)
	}
	w.slots = make(chan struct{}, w.opts.Concurrency)
	w.run(ids)
	if err = w.errs.join(); ctx.Err() != nil {
		err = oneline.Join(err, context.Cause(ctx))
	}
	if err != nil {
		err = c.failed("warm", err)
	}
	return w.progress.Done, err
}

// A warming is one call of Warm.
type warming[K comparable] struct {
	cache *untyped[K]
	ctx   context.Context
	opts  WarmOptions
	slots chan struct{} // limits loads of single ids

	mu       sync.Mutex
	progress WarmProgress
	errs     warmErrors
}

// run reads ids and passes them on in batches.
func (w *warming[K]) run(ids iter.Seq[K]) {
	batches := make(chan []K)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(batches)
	for range w.opts.Concurrency {
		workers.Go(func() {
			for batch := range batches {
				w.warm(batch)
			}
		})
	}
	send := func(batch []K) bool {
		select {
		case batches <- batch:
			return true
		case <-w.ctx.Done():
			return false
		}
	}
	batch := make([]K, 0, w.opts.BatchSize)
	for id := range ids {
		if w.ctx.Err() != nil {
			return
		}
		if batch = append(batch, id); len(batch) == w.opts.BatchSize {
			if !send(batch) {
				return
			}
			batch = make([]K, 0, w.opts.BatchSize)
		}
	}
	if len(batch) > 0 {
		send(batch)
	}
}

// warm warms one batch.
func (w *warming[K]) warm(batch []K) {
	if w.ctx.Err() != nil { // it was not started and is not counted
		return
	}
	c := w.cache
	var failures []failedID
	ks, ids := make([]string, 0, len(batch)), make([]K, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	for _, id := range batch {
		key, err := c.key(id)
		if err != nil {
			failures = append(failures, failedID{"", err})
			continue
		}
		if !seen[key] {
			seen[key] = true
			ks, ids = append(ks, key), append(ids, id)
		}
	}
	failed := len(failures)
	left, errs := w.fill(ks, ids)
	for i, err := range errs {
		if err != nil {
			failures = append(failures, failedID{idText(ids[i]), err})
		}
	}
	if c.loads() {
		failed += left
	}
	w.report(len(ks)-left, failed, failures)
}

// A failedID is the error of an id. id is empty if the error names it.
type failedID struct {
	id  string
	err error
}

// fill fills the tiers, and returns how many of ks failed, and why. Without a batch loader,
// the batch is only used for the lookup: a caller that waits for one id does not wait for
// the others.
func (w *warming[K]) fill(ks []string, ids []K) (left int, errs []error) {
	c, src := w.cache, w.cache.manySource(ks, ids)
	errs = make([]error, len(ks))
	if c.loadsMany() || src.LoadMany == nil {
		missing, err := c.tiers.Warm(w.ctx, ks, src)
		of := store.ByKey[string](err)
		for i, key := range ks {
			errs[i] = of(key)
		}
		return len(missing), errs
	}
	missing, _ := c.tiers.Warm(w.ctx, ks, layered.Source[any]{}) // ids that Redis did not return are loaded
	isMissing := make(map[string]bool, len(missing))
	for _, key := range missing {
		isMissing[key] = true
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for i, key := range ks {
		if !isMissing[key] {
			continue
		}
		w.slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-w.slots }()
			if w.ctx.Err() != nil {
				return
			}
			left, err := c.tiers.Warm(w.ctx, []string{key}, src)
			if errs[i] = store.ByKey[string](err)(key); len(left) == 0 {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return len(missing) - int(done.Load()), errs
}

// report adds to the progress and calls Progress.
func (w *warming[K]) report(done, failed int, failures []failedID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.Done += done
	w.progress.Failed += failed
	for _, f := range failures {
		if w.ctx.Err() == nil || !errors.Is(f.err, context.Cause(w.ctx)) {
			w.errs.add(f.id, f.err)
		}
	}
	if w.opts.Progress != nil {
		w.opts.Progress(w.progress)
	}
}

// A HotID is an id with an estimate of its recent reads.
type HotID[K comparable] struct {
	ID    K
	Reads float64
}

// Hottest returns up to n ids that this process has read most recently and often, in
// descending order, with estimated counts. It counts one in 128 hits of L1 and every read
// that misses L1; older reads count less. The sketch holds some thousand ids. Counting
// starts with the first call of Hottest or SaveHot, or with New if Options.KeepHot is set.
//
// Ids are parsed from their keys: K must be a string or integer kind, or have MarshalText
// and UnmarshalText. Otherwise the error wraps errors.ErrUnsupported.
func (c *untyped[K]) Hottest(n int) ([]HotID[K], error) {
	if c.id == nil {
		return nil, c.failed("hottest", errors.ErrUnsupported)
	}
	hot, err := c.tiers.Hottest(n)
	if err != nil {
		return nil, err
	}
	return c.hotIDs(hot), nil
}

// SaveHot adds the n most-read ids of this process since the last SaveHot to the list of
// hot ids in Redis, with one exchange: see WarmHot. Call it about once a minute; the
// interval does not affect the counts. Counts halve after one hour, and the list expires
// one week after the last SaveHot. It holds at most 2n ids, and Clear does not affect it.
// Reads are counted as described at Hottest. Without Redis the error wraps
// errors.ErrUnsupported.
func (c *untyped[K]) SaveHot(ctx context.Context, n int) error { return c.tiers.SaveHot(ctx, n) }

// WarmHot is Warm for up to n ids of the list of hot ids in Redis: the ids that all
// processes that call SaveHot have read most. A new process calls it before it reports that
// it is ready. It does nothing if the list is empty. For the types of ids see Hottest.
// Without Redis the error wraps errors.ErrUnsupported.
func (c *untyped[K]) WarmHot(ctx context.Context, n int, o *WarmOptions) (int, error) {
	if c.id == nil {
		return 0, c.failed("warm hot", errors.ErrUnsupported)
	}
	hot, err := c.tiers.SavedHot(ctx, n)
	if err != nil {
		return 0, err
	}
	ids := c.hotIDs(hot)
	return c.Warm(ctx, func(yield func(K) bool) {
		for _, h := range ids {
			if !yield(h.ID) {
				return
			}
		}
	}, o)
}

// hotIDs drops keys that are not the text of an id, which another program wrote.
func (c *untyped[K]) hotIDs(hot []store.Hot) []HotID[K] {
	ids := make([]HotID[K], 0, len(hot))
	for _, h := range hot {
		if id, err := c.id(h.Key); err == nil {
			ids = append(ids, HotID[K]{id, h.Reads})
		}
	}
	return ids
}
