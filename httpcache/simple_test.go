package httpcache_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lokroom/strata/httpcache"
)

func TestSimple(t *testing.T) {
	l := newLab(t, nil, httpcache.Route{})
	calls := 0
	h := l.cache.Simple(httpcache.Simple{
		Prefix: "api:", TTL: time.Minute,
		User: func(r *http.Request) string { return r.Header.Get("X-Session") },
		Tags: func(*http.Request) []string { return []string{"list"} },
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.URL.Path == "/fails" {
			http.Error(w, "", 500)
		}
		fmt.Fprint(w, calls)
	}))
	get := func(req, body, x, control string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(req))
		if w.Body.String() != body || w.Header().Get("X-Cache") != x || w.Header().Get("Cache-Control") != control {
			t.Errorf("%s: %q, %v; want %q %s %q", req, w.Body, w.Header(), body, x, control)
		}
	}
	const public, private = "public, max-age=60", "private, no-cache"
	get("GET /a?b=1&a=2", "1", "MISS", public)
	get("GET /a?a=2&b=1", "1", "HIT", public)
	get("GET /a?a=2&b=2", "2", "MISS", public)
	get("GET /a?a=2&b=1|X-Session: u1", "3", "MISS", private)
	get("GET /a?a=2&b=1|X-Session: u1|Cookie: s=1", "3", "HIT", private)
	get("GET /a?a=2&b=1|X-Session: u2", "4", "MISS", private)
	get("GET /a?a=2&b=1|Cookie: s=1", "5", "", "")
	get("POST /a?a=2&b=1", "6", "", "")
	get("GET /a?a=2&b=1", "1", "HIT", public)
	get("GET /fails", "\n7", "MISS", "")
	get("GET /fails", "\n8", "MISS", "")
	if err := l.cache.PurgeTags(ctx, "list"); err != nil {
		t.Fatal(err)
	}
	get("GET /a?a=2&b=1", "9", "MISS", public)
	if n, err := l.cache.PurgePattern(ctx, `http://example.com "api:/a*`); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
	get("GET /a?a=2&b=1", "10", "MISS", public)
}

func TestGenerateKey(t *testing.T) {
	for target, want := range map[string]string{
		"/listings":             "api:/listings",
		"/listings?b=2&a=1":     "api:/listings?a=1&b=2",
		"/listings?a=2&b=1&a=1": "api:/listings?a=2&a=1&b=1",
		"/a%2Fb?x=%26":          "api:/a%2Fb?x=%26",
	} {
		if got := httpcache.GenerateKey(httptest.NewRequest("GET", target, nil), "api:"); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
