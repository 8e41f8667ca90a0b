package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/store"
)

// defaultBatchSize is the default of Options.BatchSize.
const defaultBatchSize = 100

// A window groups the loads of single ids that start within a time span into one batch.
// Each load keeps its context and gets its part of the result.
type window[K comparable, V any] struct {
	load func(ctx context.Context, ids []K) (map[K]V, error)
	span time.Duration
	most int

	mu   sync.Mutex
	open *gathering[K, V] // the batch that the next load joins; nil: it starts one
	work sync.WaitGroup   // batches that have not ended
}

// A gathering is one batch of loads.
type gathering[K comparable, V any] struct {
	done   chan struct{} // closed when values and err are set
	values map[K]V
	err    error
	node   *flight.Node // what the loads in the batch wait for

	// Guarded by window.mu.
	ctx     context.Context
	cancel  context.CancelFunc
	timer   *time.Timer
	waiting map[K]struct{} // ids with a waiting load
	until   time.Time      // the latest deadline of the loads
	endless bool           // a load has no deadline
	begun   bool
}

// newWindow returns the window for o, or nil without a BatchWindow.
func newWindow[K comparable, V any](o *Options[K, V], load func(context.Context, []K) (map[K]store.Entry[any], error)) (*window[K, store.Entry[any]], error) {
	switch {
	case o.BatchWindow < 0:
		return nil, fmt.Errorf("BatchWindow %v is negative", o.BatchWindow)
	case o.BatchSize < 0:
		return nil, fmt.Errorf("BatchSize %d is negative", o.BatchSize)
	case o.BatchWindow == 0 && o.BatchSize > 0:
		return nil, errors.New("BatchSize requires BatchWindow")
	case o.BatchWindow == 0:
		return nil, nil
	case o.LoadMany == nil && o.LoadEntries == nil:
		return nil, errors.New("BatchWindow requires LoadMany or LoadEntries")
	}
	w := &window[K, store.Entry[any]]{load: load, span: o.BatchWindow, most: o.BatchSize}
	if w.most == 0 {
		w.most = defaultBatchSize
	}
	return w, nil
}

// get loads id in a batch.
func (w *window[K, V]) get(ctx context.Context, id K) (v V, err error) {
	from := flight.NodeOf(ctx)
	g := w.join(ctx, from, id)
	defer from.Waited(g.node)
	select {
	case <-g.done:
	case <-ctx.Done():
		w.leave(g, id)
		return v, context.Cause(ctx)
	}
	return valueOf(g.values, g.err, id)
}

// valueOf returns the result for id of a LoadMany that returned values and err.
func valueOf[K comparable, V any](values map[K]V, err error, id K) (V, error) {
	v, ok := values[id]
	if ok {
		return v, nil
	}
	if err = store.ByKey[K](err)(id); err == nil {
		err = store.ErrNotFound
	}
	return v, err
}

// join adds the load from to a batch.
func (w *window[K, V]) join(ctx context.Context, from *flight.Node, id K) *gathering[K, V] {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.open
	if g != nil {
		// id was changed after the other load started. Also, two callers may not share a
		// value: see Options.DecodeEach.
		if _, twice := g.waiting[id]; twice {
			w.beginNow(g)
			g = nil
		}
	}
	if g == nil {
		g = &gathering[K, V]{done: make(chan struct{}), waiting: make(map[K]struct{}), node: flight.NewNode(ctx)}
		g.ctx, g.cancel = context.WithCancel(g.node)
		g.timer = time.AfterFunc(w.span, func() { w.begin(g) })
		w.open = g
		w.work.Add(1)
	}
	g.waiting[id] = struct{}{}
	from.WaitNew(g.node)
	if at, ok := ctx.Deadline(); !ok {
		g.endless = true
	} else if at.After(g.until) {
		g.until = at
	}
	if len(g.waiting) == w.most {
		w.beginNow(g)
	}
	return g
}

// beginNow starts g before the span ends. The lock is held.
func (w *window[K, V]) beginNow(g *gathering[K, V]) {
	w.close(g)
	g.timer.Stop()
	go w.begin(g)
}

// leave removes the load of id, because its caller no longer waits.
func (w *window[K, V]) leave(g *gathering[K, V], id K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(g.waiting, id); len(g.waiting) > 0 { // if not started yet, the batch loads one id less
		return
	}
	g.cancel()
	if !g.begun {
		g.begun = true
		g.timer.Stop()
		w.close(g)
		w.work.Done()
	}
}

// close prevents further loads from joining g. The lock is held.
func (w *window[K, V]) close(g *gathering[K, V]) {
	if w.open == g {
		w.open = nil
	}
}

// begin loads the batch.
func (w *window[K, V]) begin(g *gathering[K, V]) {
	w.mu.Lock()
	if g.begun {
		w.mu.Unlock()
		return
	}
	g.begun = true
	w.close(g)
	ids := make([]K, 0, len(g.waiting))
	for id := range g.waiting {
		ids = append(ids, id)
	}
	ctx, cancel := g.ctx, g.cancel
	if !g.endless {
		ctx, cancel = context.WithDeadline(ctx, g.until)
	}
	w.mu.Unlock()
	flight.Protect(func() (map[K]V, error) { return w.load(ctx, ids) }, func(values map[K]V, err error) {
		g.values, g.err = values, err
		g.node.End()
		close(g.done)
		cancel()
		g.cancel()
		w.work.Done()
	})
}

// wait returns when all batches have ended. No load may be waiting any more.
func (w *window[K, V]) wait() {
	if w != nil {
		w.work.Wait()
	}
}

// windowed is tiers with a Close that also waits for batches.
type windowed struct {
	counted
	wait  func()
	space string // what keys in Redis begin with, after Config.Prefix
}

func (w windowed) Close() error {
	err := w.counted.Close() // afterwards no load waits for a batch
	w.wait()
	return err
}
