package hot_test

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/lokroom/strata/internal/hot"
)

// bytesPerKey is the most memory that a counted key may take beside its text: three slots
// of the map, which are 33 bytes each and of which between a half and two thirds are empty.
const bytesPerKey = 99

// However many keys there were, the Sketch takes no more than its 4096 keys need. A map
// in which keys come and go all the time would grow.
func TestSketch_memory(t *testing.T) {
	for name, key := range map[string]func(i int) int{
		"each once":               func(i int) int { return i },
		"some again":              func(i int) int { return i - i%3*(i%5000) },
		"all but one fade, again": func(i int) int { return i * (i / 100_000 % 2) },
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			s := new(hot.Sketch)
			for i := range 400_000 {
				s.Note(strconv.Itoa(1e9+key(i)), 1)
			}
			const text = 16 // of each key, as the allocator rounds it
			took, most := int(heap()-before), 4096*(bytesPerKey+text)
			t.Logf("%d bytes for %d keys", took, len(s.Hottest(1<<30)))
			if took > most {
				t.Errorf("it takes %d bytes, want at most %d", took, most)
			}
			runtime.KeepAlive(s)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
