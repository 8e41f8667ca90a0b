package store

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Observers is an [Observer] to which others can be added while operations run. The zero value
// has none, and then an operation takes no longer than without an Observer. It must not be
// copied.
type Observers struct {
	mu   sync.Mutex
	list atomic.Pointer[observerList] // nil: empty
}

// An observerList is not changed any more, so that an operation that has begun with it also
// ends with it.
type observerList []*Observer

// Add adds o: it is notified of operations that begin after Add, until remove is called. The
// end of an operation that began before remove may still arrive after it.
func (m *Observers) Add(o Observer) (remove func()) {
	added := &o
	m.change(func(list observerList) observerList { return append(slices.Clip(list), added) })
	return func() {
		m.change(func(list observerList) observerList {
			return slices.DeleteFunc(slices.Clone(list), func(p *Observer) bool { return p == added })
		})
	}
}

func (m *Observers) change(f func(observerList) observerList) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list observerList
	if now := m.list.Load(); now != nil {
		list = *now
	}
	if list = f(list); len(list) == 0 {
		m.list.Store(nil)
		return
	}
	m.list.Store(&list)
}

// Begin begins op with each Observer.
func (m *Observers) Begin(ctx context.Context, op Op) context.Context {
	if list := m.list.Load(); list != nil {
		return list.Begin(ctx, op)
	}
	return ctx
}

// End ends op with each Observer.
func (m *Observers) End(ctx context.Context, op Op, r Result) {
	if list := m.list.Load(); list != nil {
		list.End(ctx, op, r)
	}
}

func (l *observerList) Begin(ctx context.Context, op Op) context.Context {
	for _, o := range *l {
		ctx = begin(ctx, *o, op)
	}
	return ctx
}

// End ends op in the opposite order, as for spans of which one contains the other.
func (l *observerList) End(ctx context.Context, op Op, r Result) {
	for _, o := range slices.Backward(*l) {
		end(ctx, *o, op, r)
	}
}
