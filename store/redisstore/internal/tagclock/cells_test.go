package tagclock

import (
	"hash/maphash"
	"runtime"
	"strconv"
	"testing"
)

// bytesPerCopy is the most memory that the reading of a tag may take, with a text of 14 bytes.
const bytesPerCopy = 140

// The memory of the readings of tags is bounded, however many tags there ever were.
func TestCopies_memory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	cs := &cells{seed: maphash.MakeSeed()}
	empty, n := heap(), 0
	taken := func(until int) uint64 {
		for ; n < until; n++ {
			cs.of("tag " + strconv.Itoa(1e9+n))
		}
		return heap() - empty
	}
	full := taken(200_000)
	after := taken(3_000_000)
	t.Logf("%d bytes when full, %d after 3 million tags", full, after)
	if after > full+full/20 {
		t.Errorf("it takes %d bytes after 3 million tags, and took %d", after, full)
	}
	if most := uint64(tagShards * mostTags * bytesPerCopy); after > most {
		t.Errorf("it takes %d bytes, want at most %d", after, most)
	}
	runtime.KeepAlive(cs)
}
