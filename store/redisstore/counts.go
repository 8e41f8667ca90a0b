package redisstore

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// counters are what a store counts by itself.
type counters struct {
	hits, misses, sets, deletes, corrupt, errors atomic.Uint64

	seen    corruptValues
	foreign atomic.Bool // bytes that are no record were found, and logged
}

// hashes is the seed of the hashes of corrupt values.
var hashes = maphash.MakeSeed()

// corruptValue counts the value of this version under full, once: a load reads it more
// than once. A version of 0 is not known, and always counted.
func (c *counters) corruptValue(full string, version uint64) {
	if version == 0 || c.seen.add(maphash.String(hashes, full)^version) {
		c.corrupt.Add(1)
	}
}

// maxCorrupt is the number of corrupt values that are remembered. One that was forgotten is
// counted again.
const maxCorrupt = 4096

// corruptValues are the hashes of the corrupt values that were counted last. The zero value is
// empty, and takes no memory beside itself.
type corruptValues struct {
	mu   sync.Mutex
	is   map[uint64]struct{}
	ring []uint64 // in the order of their arrival; full: from next on
	next int
}

// add adds hash, and reports whether it is new.
func (v *corruptValues) add(hash uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.is[hash]; ok {
		return false
	}
	if v.is == nil {
		v.is = make(map[uint64]struct{})
	}
	v.is[hash] = struct{}{}
	if len(v.ring) < maxCorrupt {
		v.ring = append(v.ring, hash)
		return true
	}
	delete(v.is, v.ring[v.next])
	v.ring[v.next] = hash
	v.next = (v.next + 1) % maxCorrupt
	return true
}
