package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMetrics: a read of a listing is in the metrics of its cache.
func TestMetrics(t *testing.T) {
	a, err := open(t.Context(), small(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	a.web.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/listings/1", nil))
	w := httptest.NewRecorder()
	a.metrics.handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "strata_cache_loads_total{") && strings.Contains(line, `="listing"`) && !strings.HasSuffix(line, " 0\n") {
			return
		}
	}
	t.Errorf("no load of a listing in\n%s", w.Body)
}
