// Package notify passes on invalidations and the state of the connection to those
// that watch them. It does no I/O.
package notify

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A Fanout passes invalidations on to the watchers of a client, whatever store they watch.
// The zero value has none. The list is replaced and never changed, so that passing on takes
// no lock of the list.
type Fanout struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*watcher]
}

// A watcher is one call of Watch.
type watcher struct {
	prefix string
	owner  any

	mu sync.RWMutex // shared while fn runs
	fn func(store.Invalidation)
}

// Watch calls fn for invalidations of Redis keys with the prefix, which is cut off, but for
// those that except owner. stop waits for calls of fn that are running, so fn must not call it.
func (f *Fanout) Watch(prefix string, owner any, fn func(store.Invalidation)) (stop func()) {
	w := &watcher{prefix: prefix, owner: owner, fn: fn}
	f.mu.Lock()
	defer f.mu.Unlock()
	list := append(slices.Clone(f.watchers()), w)
	f.list.Store(&list)
	return func() {
		f.remove(w)
		w.mu.Lock()
		w.fn = nil
		w.mu.Unlock()
	}
}

func (f *Fanout) remove(w *watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(f.watchers()), func(x *watcher) bool { return x == w })
	f.list.Store(&list)
}

func (f *Fanout) watchers() []*watcher {
	if list := f.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (w *watcher) notify(inv store.Invalidation) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.fn != nil {
		w.fn(inv)
	}
}

// All notifies every watcher that invalidations may have been lost.
func (f *Fanout) All() {
	for _, w := range f.watchers() {
		w.notify(store.Invalidation{All: true})
	}
}

// Cleared notifies the watchers of the store with this prefix that it was cleared.
func (f *Fanout) Cleared(prefix string) {
	for _, w := range f.watchers() {
		if w.prefix == prefix {
			w.notify(store.Invalidation{All: true, Cleared: true})
		}
	}
}

// Changed notifies watchers of changed Redis keys that have their prefix, except those of
// the owner except. A nil except excludes none.
func (f *Fanout) Changed(keys []string, except any) { f.keys(keys, except, false) }

// Released notifies watchers of keys with leases that have ended.
func (f *Fanout) Released(keys []string) { f.keys(keys, nil, true) }

func (f *Fanout) keys(keys []string, except any, released bool) {
	var own []string
	for _, w := range f.watchers() {
		if except != nil && w.owner == except {
			continue
		}
		own = own[:0]
		for _, key := range keys {
			if k, ok := strings.CutPrefix(key, w.prefix); ok {
				own = append(own, k)
			}
		}
		if len(own) > 0 {
			w.notify(store.Invalidation{Keys: own, Released: released})
		}
	}
}
