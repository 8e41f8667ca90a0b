package strata

import (
	"maps"
	"sync"
	"time"
)

// ValueHealth describes the values of one cache that its codec could not encode or decode.
// Such values were still returned to callers: each process loads them and keeps them in
// memory only.
type ValueHealth struct {
	Count uint64    `json:"count"` // number of failed encodings and decodings
	Last  string    `json:"last"`  // the error of the last one, without the value
	Since time.Time `json:"since"` // time of the first one
}

// valueFaults holds the ValueHealth of each cache. The zero value is empty.
type valueFaults struct {
	mu     sync.Mutex
	byName map[string]ValueHealth
}

// add counts err for the cache called name, and reports whether it is the first error of
// that cache.
func (f *valueFaults) add(name string, err error) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, known := f.byName[name]
	if !known {
		h.Since = time.Now()
	}
	h.Count++
	h.Last = err.Error()
	if f.byName == nil {
		f.byName = make(map[string]ValueHealth)
	}
	f.byName[name] = h
	return !known
}

func (f *valueFaults) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byName, name)
}

func (f *valueFaults) health() map[string]ValueHealth {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.byName)
}
