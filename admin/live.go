package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A historyAnswer is the answer of history: a row for each step, the oldest first. A cache that
// was opened later has fewer.
type historyAnswer struct {
	Cache     string      `json:"cache"` // empty: all
	Seq       uint64      `json:"seq"`   // of the last row
	Step      float64     `json:"step_seconds"`
	Fields    []string    `json:"fields"`
	Rows      [][]float64 `json:"rows"`
	Timestamp time.Time   `json:"timestamp"` // of the last row
}

// A liveAnswer is the answer of live, and an event of stream: the last step.
type liveAnswer struct {
	Seq       uint64       `json:"seq"`
	Health    healthAnswer `json:"health"`
	MaxBytes  int64        `json:"max_bytes"`
	All       []float64    `json:"all"` // as in history
	Caches    []liveCache  `json:"caches"`
	Limiters  []liveLimit  `json:"limiters"`
	Timestamp time.Time    `json:"timestamp"`
}

type liveCache struct {
	Name    string    `json:"name"`
	Row     []float64 `json:"row"`   // as in history
	Retry   int       `json:"retry"` // keys with a change that Redis has not acknowledged; -1: all
	Hits    uint64    `json:"hits"`  // since the cache was opened, as are Misses and Loads
	Misses  uint64    `json:"misses"`
	Loads   uint64    `json:"loads"`
	Entries int64     `json:"entries"`
	Bytes   int64     `json:"bytes"`
}

// Ratio returns the share of hits in all reads, in percent.
func (c liveCache) Ratio() float64 {
	return 100 * float64(c.Hits) / float64(max(c.Hits+c.Misses, 1))
}

type liveLimit struct {
	Policy  string `json:"policy"`
	Allowed uint64 `json:"allowed"` // since the start, as are the others
	Denied  uint64 `json:"denied"`
	Errors  uint64 `json:"errors"`
}

// liveNow returns the last step. r.mu is held.
func (r *recorder) liveNow(state *strata.Health) liveAnswer {
	last := r.all.fine.last()
	a := liveAnswer{
		Seq: r.seq, Health: r.h.healthOf(state), All: last.row(),
		Caches: []liveCache{}, Limiters: []liveLimit{}, Timestamp: r.at.UTC(),
	}
	for _, c := range r.h.backend.Caches() {
		one := liveCache{
			Name: c.Name, Retry: c.Stats.RetryQueue, Hits: c.Stats.L1Hits + c.Stats.L2Hits, Misses: c.Stats.Misses,
			Loads: c.Stats.Loads, Entries: c.Stats.L1.Entries, Bytes: c.Stats.L1.Bytes, Row: []float64{},
		}
		if s := r.caches[c.Name]; s != nil {
			last := s.fine.last()
			one.Row = last.row()
		}
		a.MaxBytes = max(a.MaxBytes, c.Stats.L1.MaxBytes)
		a.Caches = append(a.Caches, one)
	}
	for name, p := range r.limits.all() {
		a.Limiters = append(a.Limiters, liveLimit{name, p.now[0].Load(), p.now[1].Load(), p.now[2].Load()})
	}
	slices.SortFunc(a.Limiters, func(x, y liveLimit) int { return cmp.Compare(x.Policy, y.Policy) })
	return a
}

// live returns the last step.
func (r *recorder) live() liveAnswer {
	state := r.h.backend.Health()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.liveNow(&state)
}

func (h *Handler) encodeLive(a liveAnswer) []byte {
	b, err := json.Marshal(a)
	if err != nil { // a bug: all numbers are finite
		return []byte("{}")
	}
	return b
}

func (h *Handler) serveLive(w http.ResponseWriter, _ *http.Request, _ Principal) {
	writeJSON(w, http.StatusOK, h.recorder.live())
}

func (h *Handler) serveHistory(w http.ResponseWriter, r *http.Request, caller Principal) {
	q := r.URL.Query()
	coarse := q.Get("step") == "10"
	if s := q.Get("step"); !coarse && s != "" && s != "1" {
		h.refuse(w, r, endpoint{}, caller, &httpError{http.StatusBadRequest, "step must be 1 or 10"})
		return
	}
	a, ok := h.recorder.history(q.Get("cache"), coarse)
	if !ok {
		h.refuse(w, r, endpoint{}, caller, errNoCache)
		return
	}
	writeJSON(w, http.StatusOK, a)
}

// A topAnswer is the answer of top: the keys that are read most in this process.
type topAnswer struct {
	Keys      []topKey  `json:"keys"`
	Shown     bool      `json:"shown"` // keys are texts, not hashes
	Timestamp time.Time `json:"timestamp"`
}

type topKey struct {
	Cache string  `json:"cache"`
	Key   string  `json:"key"`
	Reads float64 `json:"reads"` // about how many lately
}

const topKeys = 20

// top returns the keys that are read most in a cache, or in all if the name is empty.
func (h *Handler) top(cache string) topAnswer {
	a := topAnswer{Keys: []topKey{}, Shown: h.opts.ShowKeys, Timestamp: time.Now().UTC()}
	for _, c := range h.backend.Caches() {
		if cache != "" && c.Name != cache {
			continue
		}
		hot, err := h.backend.Hottest(c.Name, topKeys)
		if err != nil { // its memory does not count reads, or the cache was closed
			continue
		}
		for _, k := range hot {
			a.Keys = append(a.Keys, topKey{c.Name, k.Key, k.Reads})
		}
	}
	slices.SortStableFunc(a.Keys, func(x, y topKey) int { return cmp.Compare(y.Reads, x.Reads) })
	a.Keys = a.Keys[:min(len(a.Keys), topKeys)]
	for i := range a.Keys {
		a.Keys[i].Key = h.shown(a.Keys[i].Key)
	}
	return a
}

func (h *Handler) serveTop(w http.ResponseWriter, r *http.Request, _ Principal) {
	writeJSON(w, http.StatusOK, h.top(r.URL.Query().Get("cache")))
}

var errNoCache = &httpError{http.StatusNotFound, "there is no such cache"}

var _ store.Observer = (*timer)(nil)
