package httpcache_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// rangeLab is a lab with a handler that serves ranges of body. Its header has what of adds.
func rangeLab(t *testing.T, o *httpcache.Options, body string, header func(*http.Request) string) (l *lab, calls *atomic.Int64) {
	l, calls = newLab(t, o, httpcache.Route{}), new(atomic.Int64)
	l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		addLines(w.Header(), strings.Split(header(r), "|"))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}))
	return l, calls
}

// TestFillRanges: a request for ranges of what is not stored gets those of the handler (RFC 9110
// section 14.2), and the whole body is fetched after it if it may be stored. The 206 itself is
// not stored (RFC 9111 section 3.3).
func TestFillRanges(t *testing.T) {
	const ranged, fresh, body = "GET /a|Range: bytes=0-3", `Cache-Control: max-age=60|Etag: "v1"`, "0123456789"
	fills := httpcache.Options{FillRanges: true, MaxBody: 20}
	for _, c := range []struct {
		name   string
		opts   httpcache.Options
		header string // of the handler
		body   string
		req    string
		first  int64 // calls of the handler for the first request
		then   int64 // and for the second one
	}{
		{"fills", fills, fresh, body, ranged, 2, 0},
		{"several ranges", fills, fresh, body, "GET /a|Range: bytes=0-1,4-5", 1, 1}, // a multipart does not say how long the body is
		{"condition", fills, fresh, body, ranged + `|If-Range: "v2"`, 2, 0},
		{"as large as allowed", fills, fresh, strings.Repeat("x", 20), ranged, 2, 0},
		{"too large", fills, fresh, strings.Repeat("x", 21), ranged, 1, 1},
		{"off", httpcache.Options{}, fresh, body, ranged, 1, 1},
		{"no lifetime", fills, `Cache-Control: x|Etag: "v1"`, body, ranged, 2, 1}, // revalidated
		{"no-store", fills, "Cache-Control: no-store", body, ranged, 1, 1},
		{"private", fills, "Cache-Control: private, max-age=60", body, ranged, 1, 1},
		{"cookie", fills, fresh + "|Set-Cookie: a=b", body, ranged, 1, 1},
		{"request no-store", fills, fresh, body, ranged + "|Cache-Control: no-store", 1, 1},
		{"authorization", fills, fresh, body, ranged + "|Authorization: Basic x", 1, 1},
		{"unsatisfiable", fills, fresh, body, "GET /a|Range: bytes=50-60", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, calls := rangeLab(t, &c.opts, c.body, func(*http.Request) string { return c.header })
				first, firstBody := l.do(request(c.req)) // and what it starts
				n := calls.Swap(0)
				second, secondBody := l.do(request(c.req))
				if then := calls.Load(); n != c.first || then != c.then {
					t.Errorf("%d and %d calls, want %d and %d", n, then, c.first, c.then)
				}
				if first.StatusCode != second.StatusCode || firstBody != secondBody && len(firstBody) < 50 {
					t.Errorf("%d %q, then %d %q", first.StatusCode, firstBody, second.StatusCode, secondBody)
				}
			})
		})
	}
}

// What the handler does to its request does not change what is fetched for whom: neither an
// Authorization that it removes, nor a field in Vary or a path.
func TestFillRanges_handlerChanges(t *testing.T) {
	const ranged = "GET /a|Range: bytes=0-3"
	synctest.Test(t, func(t *testing.T) {
		l, _ := rangeLab(t, &httpcache.Options{FillRanges: true}, "", nil)
		l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			addLines(w.Header(), []string{"Cache-Control: max-age=60", "Vary: X-B"})
			body := fmt.Sprintf("%5s%5s%5s", r.URL.Path, r.Header.Get("X-B"), r.Header.Get("Authorization"))
			r.Header.Del("Authorization")
			r.Header.Set("X-B", "2")
			r.URL.Path = "/b"
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}))
		l.do(request(ranged + "|X-B: 1|Authorization: key"))
		l.do(request(ranged + "|X-B: 1"))
		if res, _ := l.do(request("GET /a|X-B: 1")); !strings.HasPrefix(res.Header.Get("Cache-Status"), "lab; hit") {
			t.Errorf("not filled: %q", res.Header["Cache-Status"])
		}
		for req, want := range map[string]string{"GET /a|X-B: 1": "   /a    1     ", "GET /a|X-B: 2": "   /a    2     ", "GET /b|X-B: 2": "   /b    2     "} {
			if _, body := l.do(request(req)); body != want {
				t.Errorf("%s: %q, want %q", req, body, want)
			}
		}
	})
}

// A fill that was refused is not tried again with each request, and requests at once share one.
func TestFillRanges_once(t *testing.T) {
	const ranged = "GET /a|Range: bytes=0-3"
	t.Run("refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, calls := rangeLab(t, &httpcache.Options{FillRanges: true}, "0123456789", func(r *http.Request) string {
				if r.Header.Get("Range") == "" {
					return "Cache-Control: private"
				}
				return "Cache-Control: max-age=60"
			})
			for range 5 {
				l.do(request(ranged))
			}
			if n := calls.Load(); n != 6 {
				t.Errorf("%d calls for 5 requests, want one fill", n)
			}
		})
	})
	t.Run("shared", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, calls := rangeLab(t, &httpcache.Options{FillRanges: true}, "0123456789", func(*http.Request) string {
				time.Sleep(time.Second)
				return "Cache-Control: max-age=60"
			})
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					w := httptest.NewRecorder()
					if l.h.ServeHTTP(w, request(ranged)); w.Code != 206 || w.Body.String() != "0123" {
						t.Errorf("%d %q", w.Code, w.Body)
					}
				})
			}
			all.Wait()
			time.Sleep(2 * time.Second)
			if n := calls.Load(); n != 51 {
				t.Errorf("%d calls for 50 requests, want one fill", n)
			}
		})
	})
}
