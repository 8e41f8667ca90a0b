package redisstore

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A copied is the local copy of a number that is kept under one key of Redis and
// read over T, which is pushed its changes. A push, or the loss of the connection,
// drops it. Like the guard of package layered it refuses what a push overtook on
// its way: mark before the read is sent, keep with that mark.
type copied struct {
	value atomic.Uint64 // 0: not known
	until atomic.Int64  // the store.Time when the key ends, or earlier; neverEnds: never; 0: not known

	mu   sync.Mutex
	gen  uint64 // moved by each drop
	used bool   // somebody has gone by a value since the last change
	last uint64 // the value, or what it was when it came into doubt; 0: not known
}

func (c *copied) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gen
}

// keep is called with a value that is about to be used. It reports whether that is
// remembered.
func (c *copied) keep(mark, value uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = true
	if c.gen != mark {
		return false
	}
	c.value.Store(value)
	c.last = value
	return true
}

// lasts notes until when the key lasts, if it is still as it was at mark.
func (c *copied) lasts(mark uint64, until store.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == mark {
		c.until.Store(int64(until))
	}
}

func (c *copied) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last = 0
}

// lose is drop of what may have changed, or be gone, with all that was read beside it.
func (c *copied) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last, c.used = 0, false
}

// doubt is drop of what is not known to have changed: it is recalled.
func (c *copied) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
}

func (c *copied) recall() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// forget drops the value. The lock is held.
func (c *copied) forget() {
	c.gen++
	c.value.Store(0)
	c.until.Store(0)
}

// changed is drop that reports whether somebody has gone by a value since the last
// change.
func (c *copied) changed() (used bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.last = 0
	used, c.used = c.used, false
	return used
}

const (
	tagShards = 64

	// mostTags is how many tags of a shard are remembered; with more, some are
	// forgotten, and read from Redis again.
	mostTags = 2000

	// mostAdded is how many tags are added to a map before it is made again: one whose
	// keys come and go grows although their number does not.
	mostAdded = 4 * mostTags
)

// copies are the local copies of readings of tags.
type copies struct {
	seed   maphash.Seed
	shards [tagShards]copyShard
}

type copyShard struct {
	mu    sync.RWMutex
	tags  map[string]*copied
	added int // to this map
	_     [24]byte
}

func (cs *copies) shard(tag string) *copyShard {
	return &cs.shards[maphash.String(cs.seed, tag)%tagShards]
}

// known returns the reading of tag, or 0.
func (cs *copies) known(tag string) uint64 {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return c.value.Load()
	}
	return 0
}

// until returns when the key of tag ends, or a time before that; 0: not known.
func (cs *copies) until(tag string) store.Time {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return store.Time(c.until.Load())
	}
	return 0
}

// of returns the copy of tag. It is made before the tag is read, so that it hears
// of every push.
func (cs *copies) of(tag string) *copied {
	sh := cs.shard(tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.tags[tag]
	if c != nil {
		return c
	}
	if sh.tags == nil {
		sh.tags = make(map[string]*copied)
	}
	for other, c := range sh.tags {
		if len(sh.tags) < mostTags {
			break
		}
		c.drop() // who is reading it must not keep it where no push finds it
		delete(sh.tags, other)
	}
	if sh.added++; sh.added > mostAdded {
		tags := make(map[string]*copied, mostTags)
		maps.Copy(tags, sh.tags)
		sh.tags, sh.added = tags, 0
	}
	c = &copied{}
	sh.tags[tag] = c
	return c
}

// drop forgets the reading of tag.
func (cs *copies) drop(tag string) {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		c.drop()
	}
}

// recall is known of what may be in doubt.
func (cs *copies) recall(tag string) uint64 {
	sh := cs.shard(tag)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.tags[tag]; c != nil {
		return c.recall()
	}
	return 0
}

func (cs *copies) doubtAll() {
	for i := range cs.shards {
		sh := &cs.shards[i]
		sh.mu.RLock()
		for _, c := range sh.tags {
			c.doubt()
		}
		sh.mu.RUnlock()
	}
}
