package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
)

// TestStream_thousand: of a thousand clients 32 have a stream, and the others return at once and
// leave nothing behind. The next one gets a 503 that names live, which answers it.
func TestStream_thousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		cache(t, b, "users")
		h, err := admin.New(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4000 * time.Second) // the rings are full
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapInuse + m.StackInuse)
		}
		memory, goroutines := heap(), runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		var returned atomic.Int64
		writers := make([]*counted, 1000)
		for i := range writers {
			w := &counted{header: make(http.Header)}
			writers[i] = w
			clients.Go(func() {
				defer returned.Add(1)
				r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/stream", nil)
				r.RemoteAddr = "127.0.0.1:1"
				h.ServeHTTP(w, r)
			})
		}
		synctest.Wait()
		more := runtime.NumGoroutine() - goroutines
		if returned.Load() != 968 || more != 32 {
			t.Errorf("%d of 1000 clients have returned, %d goroutines are left", returned.Load(), more)
		}
		time.Sleep(100 * time.Second)
		t.Logf("1,000 clients, 32 of them with a stream: %d goroutines and %d KB more than none", more, (heap()-memory)>>10)
		served := 0
		for _, w := range writers {
			if w.events.Load() >= 100 {
				served++
			}
		}
		if served != 32 {
			t.Errorf("%d clients receive events", served)
		}
		local := request{peer: "127.0.0.1:1", host: "localhost", method: "GET"}
		last, live := local, local
		last.path, live.path = "/stream", "/live"
		if w := last.send(h); w.Code != 503 || !strings.Contains(w.Body.String(), "ask for live") || w.Header().Get("Retry-After") == "" {
			t.Errorf("the 1,001st client: %d %v %s", w.Code, w.Header(), w.Body)
		}
		answer(t, h, live, 200)
		cancel()
		h.Close()
		clients.Wait()
	})
}
