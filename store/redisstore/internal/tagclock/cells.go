package tagclock

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A Cell is the local copy of a number that is kept under one key of Redis and
// read over T, which is pushed its changes. A push, or the loss of the connection,
// drops it. Like the guard of package layered it refuses what a push overtook on
// its way: mark before the read is sent, keep with that mark.
type Cell struct {
	Value atomic.Uint64 // 0: not known
	until atomic.Int64  // the store.Time when the key ends, or earlier; neverEnds: never; 0: not known

	mu   sync.Mutex
	gen  uint32       // moved by each drop
	used bool         // somebody has gone by a value since the last change
	last uint64       // the value, or what it was when it became suspect; 0: not known
	lost *lostReading // nil: Redis has not lost its data, or there is a newer value
}

// A lostReading is a reading from before Redis lost its data. A missing key is made again,
// above all earlier readings, as if it was changed. So the first reading after the loss is
// no evidence of a change.
type lostReading struct {
	last uint64
	made uint64 // the first reading after the loss; 0: there is none yet
}

func (c *Cell) Mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.gen)
}

// Keep is called with a value that is about to be used. It reports whether that is
// remembered.
func (c *Cell) Keep(mark, value uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = true
	if uint64(c.gen) != mark {
		return false
	}
	c.Value.Store(value)
	c.last = value
	if l := c.lost; l != nil && l.made == 0 {
		l.made = value
	} else if l != nil && l.made != value {
		c.lost = nil
	}
	return true
}

// Lasts notes until when the key lasts, if it is still as it was at mark.
func (c *Cell) Lasts(mark uint64, until store.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(c.gen) == mark {
		c.until.Store(int64(until))
	}
}

func (c *Cell) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last, c.lost = 0, nil
}

// pushed is Drop after a push. Of a key that Redis has lost, the push may say that it was
// made again.
func (c *Cell) pushed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	if c.lost == nil || c.lost.made != 0 {
		c.last, c.lost = 0, nil
	}
}

// forgetAll is drop of what may have changed, or be gone, with all that was read beside it.
func (c *Cell) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last, c.lost, c.used = 0, nil, false
}

// suspect is drop of what is not known to have changed: it is recalled.
func (c *Cell) suspect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
}

func (c *Cell) Recall() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return c.lost.last
	}
	return c.last
}

// lose notes that Redis has lost its data: what is read next may have been made again.
func (c *Cell) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.lost != nil:
		c.lost.made = 0
	case c.last != 0:
		c.lost = &lostReading{last: c.last}
	}
}

// forget drops the value. The lock is held.
func (c *Cell) forget() {
	c.gen++
	c.Value.Store(0)
	c.until.Store(0)
}

// changed is drop that reports whether somebody has gone by a value since the last
// change.
func (c *Cell) changed() (used bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last, c.lost = 0, nil
	used, c.used = c.used, false
	return used
}

const (
	tagShards = 64

	// mostTags is how many tags of a shard are remembered; with more, some are
	// forgotten, and read from Redis again.
	mostTags = 2000

	// mostAdded is how many tags are added to a map before it is made again: one with
	// keys that come and go grows although their number does not.
	mostAdded = 4 * mostTags
)

// copies are the local copies of readings of tags.
type cells struct {
	seed   maphash.Seed
	shards [tagShards]cellShard
}

type cellShard struct {
	mu    sync.RWMutex
	tags  map[string]*Cell
	added int // to this map
	_     [24]byte
}

func (cs *cells) shard(tag string) *cellShard {
	return &cs.shards[maphash.String(cs.seed, tag)%tagShards]
}

// Known returns the reading of tag, or 0.
func (cs *cells) Known(tag string) uint64 {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return c.Value.Load()
	}
	return 0
}

// until returns when the key of tag ends, or a time before that; 0: not known.
func (cs *cells) until(tag string) store.Time {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return store.Time(c.until.Load())
	}
	return 0
}

// of returns the copy of tag. It is made before the tag is read, so that it gets
// every push.
func (cs *cells) of(tag string) *Cell {
	sh := cs.shard(tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.tags[tag]
	if c != nil {
		return c
	}
	if sh.tags == nil {
		sh.tags = make(map[string]*Cell)
	}
	for other, c := range sh.tags {
		if len(sh.tags) < mostTags {
			break
		}
		c.Drop() // what is reading it must not keep it where no push finds it
		delete(sh.tags, other)
	}
	if sh.added++; sh.added > mostAdded {
		tags := make(map[string]*Cell, mostTags)
		maps.Copy(tags, sh.tags)
		sh.tags, sh.added = tags, 0
	}
	c = &Cell{}
	sh.tags[tag] = c
	return c
}

// drop forgets the reading of tag.
func (cs *cells) drop(tag string) { cs.with(tag, (*Cell).Drop) }

// with calls f for the copy of tag, if there is one.
func (cs *cells) with(tag string, f func(*Cell)) {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		f(c)
	}
}

// Recall is known of what may be suspect.
func (cs *cells) Recall(tag string) uint64 {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return c.Recall()
	}
	return 0
}

// each calls f for every copy.
func (cs *cells) each(f func(*Cell)) {
	for i := range cs.shards {
		sh := &cs.shards[i]
		sh.mu.RLock()
		for _, c := range sh.tags {
			f(c)
		}
		sh.mu.RUnlock()
	}
}
