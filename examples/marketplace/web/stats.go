package web

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/invalidate/outbox"
	"github.com/lokroom/strata/store"
)

// Stats are the counters of a process since its start.
type Stats struct {
	Reads  map[string]int64    `json:"reads"` // of the database
	Caches []strata.CacheStats `json:"caches"`
	Outbox outbox.Stats        `json:"outbox"`

	Unreadable int64 `json:"unreadable"` // values in Redis that could not be decoded
}

// unreadable is a store.Observer that counts values in Redis that cannot be decoded.
type unreadable struct{ atomic.Int64 }

func (*unreadable) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }

func (u *unreadable) End(_ context.Context, op store.Op, _ store.Result) {
	if op.Name == "decode" {
		u.Add(1)
	}
}

func (s *Server) getStats(w http.ResponseWriter, r *http.Request) {
	box, err := s.market.Outbox(r.Context())
	if err == nil {
		err = writeJSON(w, http.StatusOK, Stats{s.db.Reads(), s.backend.Caches(), box, s.unreadable.Load()})
	}
	if err != nil {
		writeError(w, r, err)
	}
}

// getReady answers with 204 from the end of the warm-up to the beginning of the shutdown. A process
// without its Redis is ready: it is slower, and its answers are right.
func (s *Server) getReady(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
