package strata

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// WarmOptions are the options of [Cache.Warm]. The zero value and nil are the defaults.
type WarmOptions struct {
	// Concurrency is how many loads may be under way at the same time: calls of
	// Options.LoadMany, or of the loader where there is none. 0: 8.
	Concurrency int

	// BatchSize is how many ids are looked for with one exchange with Redis, and
	// loaded with one call of Options.LoadMany. 0: 100.
	BatchSize int

	// Progress is called when a batch is done, by one goroutine at a time, with
	// what was done so far. Warm goes on when it returns. nil: nobody is told.
	Progress func(WarmProgress)
}

// WarmProgress is how far a [Cache.Warm] is.
type WarmProgress struct {
	Done   int // ids for which there is an answer now, be it that the source has none
	Failed int // ids that could not be loaded, or are none
}

func (o *WarmOptions) normalize() error {
	var errs []error
	if o.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("%d loads at a time: Concurrency is negative", o.Concurrency))
	}
	if o.BatchSize < 0 {
		errs = append(errs, fmt.Errorf("batches of %d ids: BatchSize is negative", o.BatchSize))
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	if o.BatchSize == 0 {
		o.BatchSize = 100
	}
	return oneline.Join(errs...)
}

// Warm sees to it that the values of ids are in L1 and in Redis, as GetMany would: it
// loads what no tier has fresh, joins loads that are under way, and lets others join
// its own. slices.Values makes a sequence of a list; one that reads ids from somewhere
// else may take its time. Ids are read by the goroutine that called.
//
// It returns for how many ids there is an answer now. An id that fails does not keep
// the others from being loaded; the error has the first few causes, each once. When ctx
// ends, so does Warm, with an error that is that of ctx.
func (c *Cache[K, V]) Warm(ctx context.Context, ids iter.Seq[K], o *WarmOptions) (n int, err error) {
	w := &warming[K, V]{cache: c, ctx: ctx}
	if o != nil {
		w.opts = *o
	}
	if err := w.opts.normalize(); err != nil {
		return 0, c.failed("warm", err)
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
type warming[K comparable, V any] struct {
	cache *Cache[K, V]
	ctx   context.Context
	opts  WarmOptions
	slots chan struct{} // those of loads of single ids

	mu       sync.Mutex
	progress WarmProgress
	errs     warmErrors
}

// run reads ids and has them warmed, batch by batch.
func (w *warming[K, V]) run(ids iter.Seq[K]) {
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
func (w *warming[K, V]) warm(batch []K) {
	if w.ctx.Err() != nil { // it was not begun, and is not counted
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

// A failedID is the error of an id; empty: of which the error names the id.
type failedID struct {
	id  string
	err error
}

// fill fills the tiers, and returns for how many of ks it could not, and why. Where ids are
// loaded one by one, a batch is only for looking what is there: who wants an id
// that is being loaded does not have to wait for the others.
func (w *warming[K, V]) fill(ks []string, ids []K) (left int, errs []error) {
	c, load := w.cache, w.cache.manyLoader(ks, ids)
	errs = make([]error, len(ks))
	if c.loadsMany() || load == nil {
		missing, err := c.tiers.Warm(w.ctx, ks, load)
		of := store.ByKey[string](err)
		for i, key := range ks {
			errs[i] = of(key)
		}
		return len(missing), errs
	}
	missing, _ := c.tiers.Warm(w.ctx, ks, nil) // what Redis does not tell is loaded
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
			left, err := c.tiers.Warm(w.ctx, []string{key}, load)
			if errs[i] = store.ByKey[string](err)(key); len(left) == 0 {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return len(missing) - int(done.Load()), errs
}

// report adds to the progress and tells it.
func (w *warming[K, V]) report(done, failed int, failures []failedID) {
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

// A HotID is an id and about how often it was read of late.
type HotID[K comparable] struct {
	ID    K
	Reads float64
}

// Hottest returns at most n ids that were read most of late in this process, the first
// of them most, and about how often: one hit in 128 of L1 is counted, and every
// read behind it. What was read long ago counts less. Some thousand ids are known.
// Reads are counted from the first call of Hottest or SaveHot, or from the beginning
// with Options.KeepHot.
//
// Ids are read back from their keys: K is a string or integer kind, or has UnmarshalText
// beside MarshalText; else it is an error that is errors.ErrUnsupported.
func (c *Cache[K, V]) Hottest(n int) ([]HotID[K], error) {
	if c.id == nil {
		return nil, c.failed("hottest", errors.ErrUnsupported)
	}
	hot, err := c.tiers.Hottest(n)
	if err != nil {
		return nil, err
	}
	return c.hotIDs(hot), nil
}

// SaveHot adds what was read most in this process since the last SaveHot, n ids at most,
// to the list of hot ids that Redis keeps for all processes, with one exchange: see
// WarmHot. Call it every minute or so. How often does not matter to the counts; reads
// count half after an hour, and without SaveHot the list is forgotten in a week. It
// keeps 2n ids at most, and Clear leaves it as it is. Reads are counted as for Hottest.
// Without Redis it is an error that is
// errors.ErrUnsupported.
func (c *Cache[K, V]) SaveHot(ctx context.Context, n int) error { return c.tiers.SaveHot(ctx, n) }

// WarmHot is Warm for at most n ids of the list of hot ids that Redis keeps: what all
// processes together have read most, as far as they called SaveHot. A new process calls
// it before it reports that it is ready. Where nobody has called SaveHot it does nothing.
// For the types of ids see Hottest; without Redis it is an error that is
// errors.ErrUnsupported.
func (c *Cache[K, V]) WarmHot(ctx context.Context, n int, o *WarmOptions) (int, error) {
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

// hotIDs leaves out keys that are those of no id: somebody else wrote them.
func (c *Cache[K, V]) hotIDs(hot []store.Hot) []HotID[K] {
	ids := make([]HotID[K], 0, len(hot))
	for _, h := range hot {
		if id, err := c.id(h.Key); err == nil {
			ids = append(ids, HotID[K]{id, h.Reads})
		}
	}
	return ids
}
