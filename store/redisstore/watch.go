package redisstore

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Watch calls fn for every invalidation of keys with the prefix of the store, as
// [store.Watcher] describes it. Keys come without the prefix. fn runs on the
// goroutine that reads from Redis: nothing is answered until it returns.
//
// stop waits for calls of fn that are running, so fn must not call it.
func (s *Store[T]) Watch(fn func(store.Invalidation)) (stop func()) {
	w := &watcher{prefix: s.prefix, owner: s, fn: fn}
	s.client.watchers.add(w)
	return func() {
		s.client.watchers.remove(w)
		w.mu.Lock()
		w.fn = nil
		w.mu.Unlock()
	}
}

// watchers are all of a client, whatever store they watch. The list is replaced
// and never changed, so that telling them takes no lock of the list.
type watchers struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*watcher]
}

// A watcher is one call of Watch.
type watcher struct {
	prefix string
	owner  any // the store

	mu sync.RWMutex // shared while fn runs
	fn func(store.Invalidation)
}

func (w *watcher) tell(inv store.Invalidation) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.fn != nil {
		w.fn(inv)
	}
}

func (ws *watchers) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	list := append(slices.Clone(ws.all()), w)
	ws.list.Store(&list)
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(ws.all()), func(x *watcher) bool { return x == w })
	ws.list.Store(&list)
}

func (ws *watchers) all() []*watcher {
	if list := ws.list.Load(); list != nil {
		return *list
	}
	return nil
}

// tellAll tells every watcher that pushes may have been lost.
func (ws *watchers) tellAll() {
	for _, w := range ws.all() {
		w.tell(store.Invalidation{All: true})
	}
}

// tellCleared tells those who watch the store with this prefix that it was cleared.
func (ws *watchers) tellCleared(prefix string) {
	for _, w := range ws.all() {
		if w.prefix == prefix {
			w.tell(store.Invalidation{All: true, Cleared: true})
		}
	}
}

// tell tells of changed keys those watchers whose prefix they have, but for those
// of the store except, which may be nil.
func (ws *watchers) tell(keys []string, except any) { ws.tellOf(keys, except, false) }

// tellReleased tells of keys whose leases have ended.
func (ws *watchers) tellReleased(keys []string) { ws.tellOf(keys, nil, true) }

func (ws *watchers) tellOf(keys []string, except any, released bool) {
	var own []string
	for _, w := range ws.all() {
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
			w.tell(store.Invalidation{Keys: own, Released: released})
		}
	}
}

// pushed handles an invalidation push, on the goroutine that reads from Redis.
// Nil stands for everything: FLUSHALL, or the end of the connection.
func (c *Client) pushed(keys []rueidis.RedisMessage) {
	if keys == nil {
		c.watchers.tellAll()
		return
	}
	names := make([]string, 0, 1) // almost always
	for i := range keys {
		if name, err := keys[i].ToString(); err == nil {
			c.pulse.pushes.hear(name)
			names = append(names, name)
		}
	}
	c.watchers.tell(names, nil)
}
