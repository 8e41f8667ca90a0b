package redislimit

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

// denials caches, by key, the denials of Redis for as long as they hold. A nil denials
// caches nothing.
type denials struct {
	seed   maphash.Seed
	start  time.Time
	shards [32]denialShard
	most   int // per shard
}

type denialShard struct {
	mu sync.RWMutex
	of map[string]denial
	_  [32]byte
}

// A denial applies to calls of the same cost only. Times are since the start of denials.
type denial struct {
	cost      int64
	at, until time.Duration
	result    ratelimit.Result
}

func newDenials(most int) *denials {
	d := &denials{seed: maphash.MakeSeed(), start: time.Now()}
	d.most = max(1, most/len(d.shards))
	return d
}

func (d *denials) shard(key string) *denialShard {
	return &d.shards[maphash.String(d.seed, key)%uint64(len(d.shards))]
}

// get returns the cached denial of a call as of now.
func (d *denials) get(key string, cost int64) (r ratelimit.Result, known bool) {
	if d == nil {
		return r, false
	}
	sh := d.shard(key)
	sh.mu.RLock()
	e, known := sh.of[key]
	sh.mu.RUnlock()
	if !known || e.cost != cost {
		return r, false
	}
	now := time.Since(d.start)
	if now >= e.until {
		return r, false
	}
	r = e.result
	r.RetryAfter = e.until - now
	r.ResetAfter = max(0, r.ResetAfter-(now-e.at))
	r.NextAfter = max(0, r.NextAfter-(now-e.at))
	r.Source = ratelimit.SourceDenyCache
	return r, true
}

// put caches the denial of a call that began at start. Of two costs it keeps the smaller,
// which is denied for a larger range of calls.
func (d *denials) put(key string, cost int64, start time.Time, r ratelimit.Result) {
	if d == nil {
		return
	}
	at := start.Sub(d.start)
	now := time.Since(d.start)
	sh := d.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old, known := sh.of[key]
	if known && old.until > now && old.cost < cost || !known && !sh.room(now, d.most) {
		return
	}
	if sh.of == nil {
		sh.of = make(map[string]denial)
	}
	if !known {
		key = strings.Clone(key) // key may be a part of a large string
	}
	sh.of[key] = denial{cost: cost, at: at, until: at + r.RetryAfter, result: r}
}

// room removes expired denials if the shard is full, and reports whether there is room for
// one more.
func (sh *denialShard) room(now time.Duration, most int) bool {
	n := 0
	for key, e := range sh.of { // map order is random, so all keys are visited eventually
		if e.until <= now {
			delete(sh.of, key)
		}
		if n++; n == 8 {
			break
		}
	}
	return len(sh.of) < most
}

// drop removes a key.
func (d *denials) drop(key string) {
	if d == nil {
		return
	}
	sh := d.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.of, key)
}
