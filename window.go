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

// defaultBatchSize is what Options.BatchSize is if it is zero.
const defaultBatchSize = 100

// A window gathers the loads of single ids that begin within a time, and has them
// loaded together. Each load stays one of its own for those who wait for it: it has
// its context, and its share of the result.
type window[K comparable, V any] struct {
	load func(ctx context.Context, ids []K) (map[K]V, error)
	span time.Duration
	most int

	mu   sync.Mutex
	open *gathering[K, V] // what the next load joins; nil: it begins one
	work sync.WaitGroup   // gatherings that have not ended
}

// A gathering is single loads that become one.
type gathering[K comparable, V any] struct {
	done   chan struct{} // closed when values and err are set
	values map[K]V
	err    error
	node   *flight.Node // what those wait for who have joined

	// Guarded by window.mu.
	ctx     context.Context
	cancel  context.CancelFunc
	timer   *time.Timer
	waiting map[K]struct{} // for each id one waits
	until   time.Time      // the latest deadline of theirs
	endless bool           // one has none
	begun   bool
}

// newWindow returns the window that o describes, nil if there is none to be.
func newWindow[K comparable, V any](o *Options[K, V], load func(context.Context, []K) (map[K]store.Entry[V], error)) (*window[K, store.Entry[V]], error) {
	switch {
	case o.BatchWindow < 0:
		return nil, fmt.Errorf("BatchWindow %v is negative", o.BatchWindow)
	case o.BatchSize < 0:
		return nil, fmt.Errorf("BatchSize %d is negative", o.BatchSize)
	case o.BatchWindow == 0 && o.BatchSize > 0:
		return nil, errors.New("BatchSize without a BatchWindow")
	case o.BatchWindow == 0:
		return nil, nil
	case o.LoadMany == nil && o.LoadEntries == nil:
		return nil, errors.New("BatchWindow without LoadMany, which would load the batch")
	}
	w := &window[K, store.Entry[V]]{load: load, span: o.BatchWindow, most: o.BatchSize}
	if w.most == 0 {
		w.most = defaultBatchSize
	}
	return w, nil
}

// get loads id with whatever else begins to be loaded in the window.
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

// valueOf returns what a LoadMany that returned values and err says of id.
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

// join joins a gathering for the load from.
func (w *window[K, V]) join(ctx context.Context, from *flight.Node, id K) *gathering[K, V] {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.open
	if g != nil {
		// It was changed since the other one wanted it. Two callers may not want to
		// share a value: see Options.DecodeEach.
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

// beginNow begins g before its time. The lock is held.
func (w *window[K, V]) beginNow(g *gathering[K, V]) {
	w.close(g)
	g.timer.Stop()
	go w.begin(g)
}

// leave is called when one who waits for id does not any more.
func (w *window[K, V]) leave(g *gathering[K, V], id K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(g.waiting, id); len(g.waiting) > 0 { // it need not be loaded, if it is not yet
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

// close keeps others from joining g. The lock is held.
func (w *window[K, V]) close(g *gathering[K, V]) {
	if w.open == g {
		w.open = nil
	}
}

// begin loads what was gathered.
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

// wait returns when everything that was gathered has been loaded or given up. Nobody
// may wait for anything any more.
func (w *window[K, V]) wait() {
	if w != nil {
		w.work.Wait()
	}
}

// windowed are tiers whose Close waits for what a window loads, too.
type windowed struct {
	tiers
	wait func()
}

func (w windowed) Close() error {
	err := w.tiers.Close() // from here on nobody waits for anything
	w.wait()
	return err
}
