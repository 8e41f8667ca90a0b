package ratelimit

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/meter"
)

// A table holds the usage of each key, in shards with a lock each. Keys with a full
// allowance are removed, which makes no difference to decisions.
type table struct {
	rules  []meter.Rule
	seed   maphash.Seed
	shards []shard
	start  time.Time // when the limiter was made
	epoch  int64     // start in microseconds since 1970
}

// A shard holds slots, indexed by the hash of their key.
type shard struct {
	mu      sync.Mutex
	index   index
	slots   []slot
	cells   []meter.Cell // with several rules, slot i has those from i*len(rules)
	free    []int32
	scratch []meter.Cell // for a key that is not in the shard yet; zero between calls
	most    int          // maximum number of keys
	hand    int          // the next slot to sweep
	swept   int64        // time of the last sweep
	_       [48]byte     // keeps shards on separate cache lines
}

// A slot holds a key. It is as large as a cache line.
type slot struct {
	key  string
	last int64 // time of its cells
	idle int64 // when its allowance is full again; 0: the slot is free
	one  [1]meter.Cell
}

const (
	mostShards = 64
	perShard   = 64  // minimum number of keys, for an uneven distribution
	sweepEvery = 1e6 // in microseconds
	sweepSlots = 64  // slots per sweep
	linger     = 1e6 // in microseconds that an idle key is kept, since busy keys may be idle for a moment
	crowd      = 16  // candidates for eviction in a full shard
)

func newTable(rules []meter.Rule, most int) *table {
	n := 1
	for n < mostShards && 2*n*perShard <= most {
		n *= 2
	}
	start := time.Now()
	t := &table{rules: rules, seed: maphash.MakeSeed(), shards: make([]shard, n), start: start, epoch: start.UnixMicro()}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.scratch, sh.most = make([]meter.Cell, len(rules)), most/n
	}
	return t
}

// now returns the microseconds since 1970, unaffected by changes of the system clock.
func (t *table) now() int64 { return t.epoch + time.Since(t.start).Microseconds() }

// lock returns the shard of a key, locked, and the hash of the key.
func (t *table) lock(key string) (*shard, uint64) {
	h := maphash.String(t.seed, key)
	sh := &t.shards[h>>32&uint64(len(t.shards)-1)]
	sh.mu.Lock()
	return sh, h
}

// find returns the slot of a key.
func (sh *shard) find(key string, h uint64) (i int32, known bool) {
	for w, at := sh.index.find(h, sh.index.home(h)); w != 0; w, at = sh.index.find(h, at+1) {
		if i = slotOf(w); sh.slots[i].key == key {
			return i, true
		}
	}
	return 0, false
}

// decide is [meter.Decision.Decide] for a key.
func (t *table) decide(d *meter.Decision, key string, n int64, mode meter.Mode, id uint64) {
	now := t.now()
	sh, h := t.lock(key)
	defer sh.mu.Unlock()
	if now-sh.swept > sweepEvery {
		sh.swept = now
		sh.sweep(t, now, sweepSlots)
	}
	i, known := sh.find(key, h)
	if !known {
		d.Decide(t.rules, sh.scratch, now, now, n, mode, id)
		if d.Passed > 0 {
			sh.insert(t, key, h, now, now+d.Idle)
		}
		clear(sh.scratch)
		return
	}
	s := &sh.slots[i]
	now = max(now, s.last) // a concurrent call may have a later time
	d.Decide(t.rules, sh.of(t, i), s.last, now, n, mode, id)
	s.last = now
	if d.Passed > 0 {
		s.idle = now + d.Idle
	}
}

// eachSlots calls f for each cell of key that has slots, as of now, and reports whether f
// returned true for all. An unknown key has none.
func (t *table) eachSlots(key string, f func(r *meter.Rule, c *meter.Cell, now int64) bool) bool {
	now := t.now()
	sh, h := t.lock(key)
	defer sh.mu.Unlock()
	i, known := sh.find(key, h)
	if !known {
		return false
	}
	s := &sh.slots[i]
	now = max(now, s.last)
	ok := true
	for j, c := 0, sh.of(t, i); j < len(c); j++ {
		r := &t.rules[j]
		r.Advance(&c[j], s.last, now)
		if r.Kind == meter.Slots {
			ok = f(r, &c[j], now) && ok
			s.idle = max(s.idle, now+r.Reset(&c[j], now))
		}
	}
	s.last = now
	return ok
}

// of returns the cells of slot i.
func (sh *shard) of(t *table, i int32) []meter.Cell {
	n := len(t.rules)
	if n == 1 {
		return sh.slots[i].one[:]
	}
	return sh.cells[int(i)*n : int(i)*n+n]
}

// insert adds a key with the cells in scratch.
func (sh *shard) insert(t *table, key string, h uint64, now, idle int64) {
	if sh.sweep(t, now, 2); sh.index.n >= sh.most {
		sh.giveUp(t, now)
	}
	var i int32
	if last := len(sh.free) - 1; last >= 0 {
		i, sh.free = sh.free[last], sh.free[:last]
	} else {
		i = int32(len(sh.slots))
		sh.slots = append(sh.slots, slot{})
		if len(t.rules) > 1 {
			sh.cells = append(sh.cells, sh.scratch...)
		}
	}
	key = strings.Clone(key) // key may be a part of a large string
	sh.slots[i] = slot{key: key, last: now, idle: idle}
	sh.index.add(h, i)
	copy(sh.of(t, i), sh.scratch)
}

// sweep examines the next n slots and removes those that have been idle for a while.
func (sh *shard) sweep(t *table, now int64, n int) {
	for range min(n, len(sh.slots)) {
		sh.hand = (sh.hand + 1) % len(sh.slots)
		if s := &sh.slots[sh.hand]; s.idle != 0 && s.idle+linger <= now {
			sh.forget(t, int32(sh.hand))
		}
	}
	if sh.index.n == 0 && len(sh.slots) > 0 {
		sh.index = index{}
		sh.slots, sh.cells, sh.free, sh.hand = nil, nil, nil, 0
	}
}

// giveUp evicts one key: of the next few slots, the one with the least to lose.
func (sh *shard) giveUp(t *table, now int64) {
	sh.sweep(t, now, crowd)
	if sh.index.n < sh.most {
		return
	}
	best := -1
	for n := range min(crowd, len(sh.slots)) {
		i := (sh.hand + n) % len(sh.slots)
		if s := sh.slots[i]; s.idle != 0 && (best < 0 || s.idle < sh.slots[best].idle) {
			best = i
		}
	}
	sh.hand = (sh.hand + crowd) % len(sh.slots)
	sh.forget(t, int32(best))
}

func (sh *shard) forget(t *table, i int32) {
	sh.index.remove(maphash.String(t.seed, sh.slots[i].key), i)
	clear(sh.of(t, i))
	sh.slots[i] = slot{}
	sh.free = append(sh.free, i)
}

// reset removes a key.
func (t *table) reset(key string) {
	sh, h := t.lock(key)
	defer sh.mu.Unlock()
	if i, known := sh.find(key, h); known {
		sh.forget(t, i)
	}
}

// len returns the number of keys.
func (t *table) len() (n int) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		n += sh.index.n
		sh.mu.Unlock()
	}
	return n
}
