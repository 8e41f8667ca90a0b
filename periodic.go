package strata

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// mostKnown bounds the ids that one cache refreshes periodically.
const mostKnown = 10_000

// known are the ids of a cache that are refreshed periodically: see Options.RefreshEvery.
// Several processes that know an id see the refreshes of each other, by the age of the value,
// and the claim of a refresh in Redis keeps them from loading at the same time.
type known[K comparable] struct {
	every   time.Duration
	until   time.Duration                               // after the last read
	refresh func(key string, id K) (wait time.Duration) // starts a refresh, and returns the time until the next one

	ids  sync.Map // *knownID[K] by key
	n    atomic.Int64
	mu   sync.Mutex // for closed, and for adding to work
	work sync.WaitGroup
	over bool
}

type knownID[K comparable] struct {
	id       K
	lastRead atomic.Int64 // a store.Time
	timer    *time.Timer
}

// newKnown returns nil if nothing is refreshed periodically.
func newKnown[K comparable](every, until time.Duration, refresh func(key string, id K) time.Duration) *known[K] {
	if every <= 0 {
		return nil
	}
	return &known[K]{every: every, until: cmp.Or(until, 10*every), refresh: refresh}
}

// note records a read of id.
func (k *known[K]) note(key string, id K) {
	now := int64(store.Now())
	if v, ok := k.ids.Load(key); ok {
		v.(*knownID[K]).lastRead.Store(now)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || k.n.Load() >= mostKnown {
		return
	}
	x := &knownID[K]{id: id}
	x.lastRead.Store(now)
	if _, there := k.ids.LoadOrStore(key, x); !there {
		k.n.Add(1)
		x.timer = time.AfterFunc(k.every, func() { k.tick(key, x) })
	}
}

// tick refreshes x if it was read recently enough, and forgets it otherwise.
func (k *known[K]) tick(key string, x *knownID[K]) {
	if !k.begin() {
		return
	}
	defer k.work.Done()
	if store.Now().Sub(store.Time(x.lastRead.Load())) >= k.until {
		k.ids.Delete(key)
		k.n.Add(-1)
		return
	}
	wait := k.refresh(key, x.id)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over {
		x.timer.Reset(wait)
	}
}

func (k *known[K]) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over {
		k.work.Add(1)
	}
	return !k.over
}

// stop ends the refreshes. It waits for those that begin.
func (k *known[K]) stop() {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.over = true
	k.ids.Range(func(_, v any) bool {
		v.(*knownID[K]).timer.Stop()
		return true
	})
	k.mu.Unlock()
	k.work.Wait()
}
