package admin

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
)

// History: a step of one second is kept for five minutes, and one of ten for an hour.
const (
	step        = time.Second
	fineSize    = 300
	coarseSteps = 10 // fine ones in a coarse one
	coarseSize  = 360
)

// A recorder keeps the history of all caches. It looks at their counters once in a step, by a
// timer: no goroutine waits. It ends with close, or when the backend is closed.
type recorder struct {
	h      *Handler
	timer  timer
	remove func() // ends the observation

	mu      sync.Mutex
	tick    *time.Timer
	closed  bool
	at      time.Time // the end of the last step
	seq     uint64    // steps so far
	all     *series
	caches  map[string]*series
	limits  byName[policyCount]
	streams map[chan []byte]struct{}
	done    chan struct{} // closed by close
}

// policyCount are the decisions of the limiters of one policy.
type policyCount struct {
	now    [3]atomic.Uint64 // allowed, denied, errors
	before [3]uint64        // at the end of the last step; under recorder.mu
}

func (r *recorder) start(h *Handler) {
	r.h, r.at = h, time.Now()
	r.all, r.caches = newSeries(), make(map[string]*series)
	r.streams, r.done = make(map[chan []byte]struct{}), make(chan struct{})
	r.remove = h.backend.Observe(&r.timer)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range h.backend.Caches() {
		r.of(c.Name).before = countedOf(&c.Stats)
	}
	r.tick = time.AfterFunc(step, r.step)
}

func (r *recorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.tick.Stop()
	r.remove()
	close(r.done)
}

// of returns the series of a cache. r.mu is held.
func (r *recorder) of(cache string) *series {
	s := r.caches[cache]
	if s == nil {
		s = newSeries()
		r.caches[cache] = s
	}
	return s
}

// step ends a step.
func (r *recorder) step() {
	state := r.h.backend.Health()
	if state.Closed {
		r.close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.record(r.h.backend.Caches(), &state)
	if len(r.streams) > 0 {
		r.send(r.h.encodeLive(r.liveNow(&state)))
	}
	r.tick.Reset(step)
}

// record adds a sample to each series. r.mu is held.
func (r *recorder) record(caches []strata.CacheStats, state *strata.Health) {
	now := time.Now()
	took := float32(now.Sub(r.at).Seconds())
	r.at = now
	r.seq++
	total, latency := sample{seconds: took}, [2]durations{}
	open := make(map[string]bool, len(caches))
	for _, c := range caches {
		open[c.Name] = true
		s, n := r.of(c.Name), countedOf(&c.Stats)
		one := sample{counts: n.since(&s.before), seconds: took, entries: clamp(uint64(max(c.Stats.L1.Entries, 0))), bytes: c.Stats.L1.Bytes}
		s.before = n
		h := r.timer.of(c.Name)
		took := [2]durations{h[0].take(), h[1].take()}
		s.add(one, &took)
		for i, n := range one.counts {
			total.counts[i] = clamp(uint64(total.counts[i]) + uint64(n))
		}
		total.entries, total.bytes = clamp(uint64(total.entries)+uint64(one.entries)), total.bytes+one.bytes
		latency[0].add(&took[0])
		latency[1].add(&took[1])
	}
	for name := range r.caches {
		if !open[name] {
			delete(r.caches, name)
		}
	}
	if state.Redis != nil {
		total.lag = float32(state.Redis.Lag.Seconds())
	}
	for _, p := range r.limits.all() {
		for i := range p.now {
			n := p.now[i].Load()
			total.counts[nAllowed+i] += clamp(n - p.before[i])
			p.before[i] = n
		}
	}
	r.all.add(total, &latency)
}

// history returns the history of a cache, or of all if the name is empty; ok: there is such a
// cache.
func (r *recorder) history(cache string, coarse bool) (h historyAnswer, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.all
	if cache != "" {
		if s = r.caches[cache]; s == nil {
			// It may have been opened after the last step.
			s = newSeries()
			if !slices.ContainsFunc(r.h.backend.Caches(), func(c strata.CacheStats) bool { return c.Name == cache }) {
				return h, false
			}
		}
	}
	h = historyAnswer{Cache: cache, Seq: r.seq, Step: step.Seconds(), Fields: fields, Timestamp: r.at.UTC()}
	if coarse {
		h.Step, h.Rows = step.Seconds()*coarseSteps, s.coarse.rows()
	} else {
		h.Rows = s.fine.rows()
	}
	return h, true
}
