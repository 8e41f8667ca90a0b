package admin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A healthAnswer is the answer of health and ready. Its first fields are those that a plain
// client expects.
type healthAnswer struct {
	Status    string    `json:"status"` // "healthy", "degraded" or "unhealthy"; of ready "ready" or "not ready"
	Redis     string    `json:"redis"`  // "connected", "disconnected" or "none"
	Timestamp time.Time `json:"timestamp"`
	Reasons   []string  `json:"reasons,omitempty"`
	Parts     []part    `json:"parts,omitempty"`
}

// A part is one part of the answer of health.
type part struct {
	Name        string    `json:"name"`
	Cache       string    `json:"cache,omitempty"`
	Status      string    `json:"status"`
	Latency     float64   `json:"latency_seconds,omitempty"`
	Lag         float64   `json:"lag_seconds,omitempty"`
	Keys        int       `json:"keys,omitempty"` // -1: all
	Oldest      float64   `json:"oldest_seconds,omitempty"`
	Count       uint64    `json:"count,omitempty"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Since       time.Time `json:"since,omitzero"`
}

// pingFor bounds how long health waits for Redis, and pingEvery how often it asks.
const (
	pingFor   = time.Second
	pingEvery = 500 * time.Millisecond
)

// pings asks Redis at most once in pingEvery, however many ask for the health.
type pings struct {
	mu   sync.Mutex
	at   time.Time
	took time.Duration
	err  error
}

func (p *pings) ping(ctx context.Context, b *strata.Backend) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) < pingEvery {
		return p.took, p.err
	}
	// The answer is for all that ask: it does not depend on one of them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingFor)
	defer cancel()
	start := time.Now()
	p.err = b.Ping(ctx)
	p.at, p.took = time.Now(), time.Since(start)
	return p.took, p.err
}

// health returns the state of all parts.
func (h *Handler) health(ctx context.Context) healthAnswer {
	took, err := h.pings.ping(ctx, h.backend)
	state := h.backend.Health()
	return h.describe(&state, took, err)
}

// healthOf returns the state of all parts as known without asking Redis.
func (h *Handler) healthOf(state *strata.Health) healthAnswer {
	var err error
	if state.Redis != nil && (state.Redis.Breaker != "closed" || !state.Redis.Dialed) {
		err = store.ErrUnavailable
	}
	return h.describe(state, 0, err)
}

// describe returns the answer of health. took and err are those of a ping.
func (h *Handler) describe(state *strata.Health, took time.Duration, err error) healthAnswer {
	a := healthAnswer{Status: "healthy", Redis: "none", Timestamp: time.Now().UTC()}
	if r := state.Redis; r != nil {
		a.Redis = "connected"
		p := part{Name: "redis", Status: "connected", Latency: seconds(took), LastError: r.LastError, LastErrorAt: r.LastErrorAt, Count: r.Errors, Since: r.Since}
		if err != nil {
			a.Redis, p.Status, p.Latency = "disconnected", "disconnected", 0
		}
		push := part{Name: "invalidations", Status: "connected", Lag: seconds(r.Lag), Keys: r.QueuedTags, Oldest: seconds(r.QueuedTagsFor)}
		switch {
		case r.NoPushes != "":
			push.Status, push.LastError = "disconnected", r.NoPushes
		case r.MaxStale > 0:
			push.Status = "not tracked"
		case !r.Connected && !r.LastContact.IsZero():
			push.Status = "disconnected"
		case !r.Connected:
			push.Status = "idle" // nothing is cached in memory
		}
		a.Parts = append(a.Parts, p, part{Name: "breaker", Status: r.Breaker, Since: r.Since, Count: r.Opened}, push)
	}
	a.Parts = append(a.Parts, h.cacheParts(*state)...)
	switch herr := state.Err(); {
	case err != nil, errors.Is(herr, store.ErrClosed), errors.Is(herr, store.ErrUnavailable):
		a.Status = "unhealthy"
	case herr != nil:
		a.Status = "degraded"
	}
	return a
}

// cacheParts returns what is wrong with single caches.
func (h *Handler) cacheParts(state strata.Health) (parts []part) {
	errorText := func(text string) string {
		if h.opts.ShowKeys {
			return text
		}
		return ""
	}
	for _, c := range h.backend.Caches() {
		if q, ok := state.RetryQueues[c.Name]; ok {
			parts = append(parts, part{Name: "retry queue", Cache: c.Name, Status: "waiting", Keys: q.Keys, Oldest: seconds(q.For), LastError: errorText(q.Err)})
		}
		if r, ok := state.Refused[c.Name]; ok {
			parts = append(parts, part{Name: "refused changes", Cache: c.Name, Status: "failed", Count: r.Count, LastError: errorText(r.Last)})
		}
		if v, ok := state.Values[c.Name]; ok {
			parts = append(parts, part{Name: "values", Cache: c.Name, Status: "failed", Count: v.Count, Since: v.Since, LastError: errorText(v.Last)})
		}
	}
	return parts
}

func (h *Handler) serveHealth(w http.ResponseWriter, r *http.Request, caller Principal) {
	a := h.health(r.Context())
	status := http.StatusOK
	if a.Status == "unhealthy" {
		status = http.StatusServiceUnavailable
	}
	if caller.Role < View {
		a.Parts = nil
	}
	writeJSON(w, status, a)
}

func (h *Handler) serveReady(w http.ResponseWriter, r *http.Request, caller Principal) {
	state := h.backend.Health()
	a := healthAnswer{Status: "ready", Redis: "none", Timestamp: time.Now().UTC()}
	if state.Closed {
		a.Reasons = append(a.Reasons, "the backend is closed")
	}
	if state.Redis != nil {
		a.Redis = "connected"
		if _, err := h.pings.ping(r.Context(), h.backend); err != nil {
			a.Redis = "disconnected"
		} else if state.Redis.NoPushes != "" {
			a.Redis = "no invalidations"
		}
	}
	if h.opts.RequireRedis && a.Redis != "connected" {
		a.Reasons = append(a.Reasons, "Redis is required and not connected")
	}
	if h.opts.Warmed != nil && !h.opts.Warmed() {
		a.Reasons = append(a.Reasons, "the caches are not warm yet")
	}
	status := http.StatusOK
	if len(a.Reasons) > 0 {
		a.Status, status = "not ready", http.StatusServiceUnavailable
	}
	if caller.Role < View {
		a.Reasons = nil
	}
	writeJSON(w, status, a)
}
