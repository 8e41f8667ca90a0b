package otterstore

import (
	"sync"

	"github.com/lokroom/strata/internal/view"
)

// A sweeper removes what was cleared, in the background: by itself the engine
// would keep it in preference to entries that are new.
type sweeper struct {
	mu      sync.Mutex
	running bool
	again   bool // something was cleared since it last began
	done    sync.WaitGroup
}

// sweep has what is disowned by now removed, soon.
func (b *Budget) sweep() {
	w := &b.sweeper
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again = true
	if w.running || b.closed.Load() {
		return
	}
	w.running = true
	w.done.Go(func() {
		for w.next() && !b.closed.Load() {
			b.removeDisowned()
		}
	})
}

// next reports whether there is another round to do. If not, it has ended.
func (w *sweeper) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running, w.again = w.again, false
	return w.running
}

func (b *Budget) removeDisowned() {
	for h, it := range b.cache.All() {
		if b.closed.Load() {
			return
		}
		if it.Disowned() {
			b.remove(h, func(now *view.Item) bool { return now == it })
		}
	}
}
