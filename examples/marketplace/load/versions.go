package load

import (
	"sync"
	"time"
)

// versions knows the newest revision of each listing that a write has confirmed, to find answers
// that are older.
type versions struct {
	mu sync.Mutex
	of map[int64]confirmed
}

type confirmed struct {
	revision int64
	at       time.Time // when the response to the write arrived
}

// confirm notes that a write has produced revision.
func (v *versions) confirm(id, revision int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of == nil {
		v.of = make(map[int64]confirmed)
	}
	if revision > v.of[id].revision {
		v.of[id] = confirmed{revision, time.Now()}
	}
}

// floor returns what an answer to a request that begins now must have at least.
func (v *versions) floor(id int64) confirmed {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of[id]
}
