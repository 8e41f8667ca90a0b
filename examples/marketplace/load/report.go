package load

import (
	"slices"
	"sync"
	"time"
)

// An Endpoint is what was measured of one kind of request.
type Endpoint struct {
	Requests int
	Hits     int // answered without a read of the database
	Errors   int // no answer, or a status that was not expected
	Limited  int // refused by a rate limit
	Stale    int // answers older than a write that was confirmed before the request began
	Oldest   time.Duration
	times    []time.Duration
}

// Quantile returns the latency that a fraction of the requests did not exceed.
func (e *Endpoint) Quantile(q float64) time.Duration {
	if len(e.times) == 0 {
		return 0
	}
	slices.Sort(e.times)
	return e.times[min(int(q*float64(len(e.times))), len(e.times)-1)]
}

// HitRatio returns the fraction of requests that were answered without a read of the database.
func (e *Endpoint) HitRatio() float64 {
	return float64(e.Hits) / float64(max(e.Requests, 1))
}

// A Report is what a Run has measured, by endpoint.
type Report struct {
	Endpoints  map[string]*Endpoint
	Reads      int64  // of the database, by the service
	Unreadable int64  // values in Redis that the service could not decode
	FirstErr   string // one of the errors

	mu sync.Mutex
}

func newReport() *Report { return &Report{Endpoints: make(map[string]*Endpoint)} }

func (r *Report) add(name string, a answer, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.Endpoints[name]
	if e == nil {
		e = new(Endpoint)
		r.Endpoints[name] = e
	}
	e.Requests++
	e.times = append(e.times, took)
	switch {
	case a.err != nil:
		e.Errors++
		if r.FirstErr == "" {
			r.FirstErr = name + ": " + a.err.Error()
		}
	case a.limited:
		e.Limited++
	case a.reads == 0:
		e.Hits++
	}
	if a.stale > 0 {
		e.Stale++
		e.Oldest = max(e.Oldest, a.stale)
	}
}

// Total returns the sum of all endpoints that writes selects: those that read, or those that write.
func (r *Report) Total(writes bool) *Endpoint {
	sum := new(Endpoint)
	for name, e := range r.Endpoints {
		if isWrite(name) != writes {
			continue
		}
		sum.Requests += e.Requests
		sum.Hits += e.Hits
		sum.Errors += e.Errors
		sum.Limited += e.Limited
		sum.Stale += e.Stale
		sum.Oldest = max(sum.Oldest, e.Oldest)
		sum.times = append(sum.times, e.times...)
	}
	return sum
}
