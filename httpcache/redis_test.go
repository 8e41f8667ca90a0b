package httpcache_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/httpcache"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// process is one of several with a cache of the same name on one Redis.
func process(t *testing.T, addr string, next http.Handler) (*httpcache.Cache, http.Handler) {
	t.Helper()
	b, err := strata.Open(ctx, &strata.Config{RedisURL: "redis://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := httpcache.New(b, "pages", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, c.Middleware(next)
}

// TestRedis_coalescing: clients of two processes make one request to the handler if the
// response is storable, and each gets its own if it is not.
func TestRedis_coalescing(t *testing.T) {
	s := redistest.Start(t, nil)
	var calls atomic.Int64
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		time.Sleep(200 * time.Millisecond)
		w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
		io.WriteString(w, r.Header.Get("X-User"))
	})
	_, one := process(t, s.Addr(), next)
	_, two := process(t, s.Addr(), next)
	for cc, want := range map[string]int64{"max-age=60": 1, "private": 100} {
		calls.Store(0)
		var wg sync.WaitGroup
		var own atomic.Int64
		for i, h := range []http.Handler{one, two} {
			wg.Go(func() {
				for j, w := range fleet(h, 50, func(j int) *http.Request { return request(fmt.Sprintf("GET /a?cc=%s|X-User: %d-%d", cc, i, j)) }) {
					if w.Body.String() == fmt.Sprintf("%d-%d", i, j) {
						own.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if calls.Load() != want || own.Load() != want {
			t.Errorf("%s: %d calls of the handler, %d clients got their own answer, want %d", cc, calls.Load(), own.Load(), want)
		}
	}
}

// TestRedis_purge: what one process invalidates, the other does not serve: after the call by
// URL, tag, group and by a POST, and for every variant.
func TestRedis_purge(t *testing.T) {
	s := redistest.Start(t, nil)
	var version atomic.Int64
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-B")
		w.Header().Set("Cache-Groups", `"g"`)
		httpcache.SetTags(w, "t")
		fmt.Fprint(w, version.Load())
	})
	a, one := process(t, s.Addr(), next)
	_, two := process(t, s.Addr(), next)
	get := func(h http.Handler, req string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(req))
		return w.Body.String()
	}
	reqs := []string{"GET /a", "GET /a|X-B: 1", "GET /a|X-B: 2"}
	for _, purge := range []func() error{
		func() error { return a.Purge(ctx, "http://example.com/a") },
		func() error { return a.PurgeTags(ctx, "t") },
		func() error { return a.PurgeGroups(ctx, "example.com", "g") },
		func() error { return a.SoftPurge(ctx, "http://example.com/a") },
		func() error { return a.SoftPurgeTags(ctx, "t") },
		func() error { return a.SoftPurgeGroups(ctx, "example.com", "g") },
		func() error { get(one, "POST /a"); return nil },
		func() error { return a.Clear(ctx) },
	} {
		old := fmt.Sprint(version.Load())
		for _, req := range reqs {
			if x, y := get(one, req), get(two, req); x != old || y != old {
				t.Errorf("%s: %s and %s, want %s", req, x, y, old)
			}
		}
		version.Add(1)
		for _, req := range reqs {
			if x, y := get(one, req), get(two, req); x != old || y != old {
				t.Errorf("%s is not stored: %s and %s, want %s", req, x, y, old)
			}
		}
		if err := purge(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(version.Load())
		for _, req := range reqs {
			redistest.WaitFor(t, "the other process to be notified", func() bool { return get(two, req) == want })
			if x := get(one, req); x != want {
				t.Errorf("%s: %s after the purge, want %s", req, x, want)
			}
		}
	}
}

// TestRedis_softPurges: what several processes purge softly at one time is purged, and without Redis
// a soft purge is an error.
func TestRedis_softPurges(t *testing.T) {
	s := redistest.Start(t, nil)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		httpcache.SetTags(w, r.URL.Path)
	})
	var caches []*httpcache.Cache
	var handlers []http.Handler
	for range 8 {
		c, h := process(t, s.Addr(), next)
		caches, handlers = append(caches, c), append(handlers, h)
	}
	a, one, two := caches[0], handlers[0], handlers[1]
	const each = 5
	stale := func(h http.Handler, i int) bool {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(fmt.Sprintf("GET /%d|Cache-Control: only-if-cached", i)))
		return w.Code == http.StatusGatewayTimeout
	}
	all := each * len(caches)
	for i := range all {
		one.ServeHTTP(httptest.NewRecorder(), request(fmt.Sprintf("GET /%d", i)))
		redistest.WaitFor(t, "it to be stored", func() bool { return !stale(one, i) && !stale(two, i) })
	}
	var wg sync.WaitGroup
	for c, cache := range caches {
		wg.Go(func() {
			for i := range each {
				if err := cache.SoftPurgeTags(ctx, fmt.Sprint("/", c*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range all {
		redistest.WaitFor(t, "both processes to be notified", func() bool { return stale(one, i) && stale(two, i) })
	}
	s.Kill()
	for what, purge := range map[string]func() error{
		"tags": func() error { return a.SoftPurgeTags(ctx, "/1") },
		"url":  func() error { return a.SoftPurge(ctx, "http://example.com/1") },
	} {
		if err := purge(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v without Redis", what, err)
		}
	}
}
