package strata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// ValueHealth says what the codec of a cache refused. The values were answered all the same:
// they are loaded by each process, and kept in its memory alone.
type ValueHealth struct {
	Count uint64    `json:"count"` // times that one was not encoded, or not decoded
	Last  string    `json:"last"`  // the reason for the last one, without the value
	Since time.Time `json:"since"` // the time of the first one
}

// valueFaults is the ValueHealth of the caches of a backend. The zero value has none.
type valueFaults struct {
	mu     sync.Mutex
	byName map[string]ValueHealth
}

// add counts err for the cache called name, and reports whether it is its first.
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

// valueFaults returns an error that is store.ErrUnstorable and names the caches of Values;
// nil if there are none.
func (h Health) valueFaults() error {
	if len(h.Values) == 0 {
		return nil
	}
	var what []string
	for _, name := range slices.Sorted(maps.Keys(h.Values)) {
		what = append(what, fmt.Sprintf("cache %q: %d times, the last: %s", name, h.Values[name].Count, h.Values[name].Last))
	}
	return &store.Error{Store: "strata", Op: "health", Err: fmt.Errorf("%w: %s", store.ErrUnstorable, strings.Join(what, "; "))}
}
