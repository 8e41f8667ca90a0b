package admin

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A statsAnswer is the answer of stats.
type statsAnswer struct {
	Stats     totals    `json:"stats"`
	Timestamp time.Time `json:"timestamp"`
}

// totals are the counters of all caches. The first fields are those that a plain client expects.
type totals struct {
	Keys   int64  `json:"keys"`   // in Redis, of all programs; in L1 without Redis
	Memory string `json:"memory"` // of them, such as "2.5MB"
	Hits   uint64 `json:"hits"`   // of either tier
	Misses uint64 `json:"misses"` // reads that found nothing fresh

	Error string              `json:"error,omitempty"` // why the counters of Redis are missing
	L1    tierStats           `json:"l1"`
	L2    tierStats           `json:"l2"`
	All   map[string]uint64   `json:"all"`
	By    []strata.CacheStats `json:"caches"`
}

// tierStats are the counters of one tier.
type tierStats struct {
	Hits      uint64 `json:"hits"`
	Entries   int64  `json:"entries"`
	Bytes     int64  `json:"bytes"`
	MaxBytes  int64  `json:"max_bytes"`
	Evictions uint64 `json:"evictions"`
	Errors    uint64 `json:"errors"`
}

// sum returns the sum of the counters of cs, and what all have in L1, whose budget they share.
func sum(cs []strata.CacheStats) (c layered.Counts) {
	for _, s := range cs {
		s := s.Stats
		c.L1Hits += s.L1Hits
		c.L2Hits += s.L2Hits
		c.Misses += s.Misses
		c.Loads += s.Loads
		c.LoadErrors += s.LoadErrors
		c.Shared += s.Shared
		c.Waits += s.Waits
		c.StaleServed += s.StaleServed
		c.Suspect += s.Suspect
		c.Overloads += s.Overloads
		c.Defaults += s.Defaults
		c.Refreshes += s.Refreshes
		c.L2Errors += s.L2Errors
		c.EncodeErrors += s.EncodeErrors
		c.Invalidations += s.Invalidations
		c.L1.Entries += s.L1.Entries
		c.L1.Bytes += s.L1.Bytes
		c.L1.Evictions += s.L1.Evictions
		c.L1.MaxBytes = max(c.L1.MaxBytes, s.L1.MaxBytes)
	}
	return c
}

// serverStats asks Redis for its counters at most once in pingEvery.
type serverStats struct {
	mu   sync.Mutex
	at   time.Time
	last *store.ServerStats
	err  error
}

func (s *serverStats) get(ctx context.Context, b *strata.Backend) (*store.ServerStats, error) {
	client, _ := b.Redis()
	if client == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) >= pingEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingFor)
		defer cancel()
		s.last, s.err = client.ServerStats(ctx)
		s.at = time.Now()
	}
	return s.last, s.err
}

func (h *Handler) stats(ctx context.Context) statsAnswer {
	caches := h.backend.Caches()
	c := sum(caches)
	t := totals{
		Keys: c.L1.Entries, Hits: c.L1Hits + c.L2Hits, Misses: c.Misses, By: caches,
		L1: tierStats{Hits: c.L1Hits, Entries: c.L1.Entries, Bytes: c.L1.Bytes, MaxBytes: c.L1.MaxBytes, Evictions: c.L1.Evictions},
		L2: tierStats{Hits: c.L2Hits, Errors: c.L2Errors},
		All: map[string]uint64{
			"loads": c.Loads, "load_errors": c.LoadErrors, "shared": c.Shared, "waits": c.Waits, "stale_served": c.StaleServed,
			"invalidations": c.Invalidations, "refreshes": c.Refreshes, "overloads": c.Overloads, "encode_errors": c.EncodeErrors,
		},
	}
	if t.By == nil {
		t.By = []strata.CacheStats{}
	}
	bytes := c.L1.Bytes
	server, err := h.server.get(ctx, h.backend)
	if err != nil {
		t.Error = "Redis does not answer"
	}
	if server != nil {
		t.Keys, bytes = server.Keys, server.Bytes
		t.L2.Entries, t.L2.Bytes, t.L2.MaxBytes, t.L2.Evictions = server.Keys, server.Bytes, server.MaxBytes, server.Evictions
	}
	t.Memory = megabytes(bytes)
	return statsAnswer{t, time.Now().UTC()}
}

// megabytes returns a text such as "2.5MB", of 2^20 bytes as Redis does.
func megabytes(n int64) string { return fmt.Sprintf("%.1fMB", float64(n)/(1<<20)) }

func (h *Handler) serveStats(w http.ResponseWriter, r *http.Request, _ Principal) {
	a := h.stats(r.Context())
	if !h.opts.ShowKeys {
		for i := range a.Stats.By {
			a.Stats.By[i].Stats.RetryErr = nil // may contain keys
		}
	}
	writeJSON(w, http.StatusOK, a)
}
