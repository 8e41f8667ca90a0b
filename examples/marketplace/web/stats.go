package web

import (
	"net/http"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/invalidate/outbox"
)

// Stats are the counters of a process since its start.
type Stats struct {
	Reads  map[string]int64    `json:"reads"` // of the database
	Caches []strata.CacheStats `json:"caches"`
	Outbox outbox.Stats        `json:"outbox"`
}

func (s *Server) getStats(w http.ResponseWriter, r *http.Request) {
	box, err := s.market.Outbox(r.Context())
	if err == nil {
		err = writeJSON(w, http.StatusOK, Stats{Reads: s.db.Reads(), Caches: s.backend.Caches(), Outbox: box})
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
