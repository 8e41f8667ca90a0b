package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// TestKeys: which requests share a response. second is made after first was stored.
func TestKeys(t *testing.T) {
	pair := func(first, second, want string) scenario {
		return scenario{name: first + " then " + second, calls: []call{{req: first, res: fresh60, want: "M"}, {req: second, want: want}}}
	}
	allowed := func(s scenario) scenario {
		s.opts = &httpcache.Options{AllowedHosts: []string{"Good.test:8080", "good.test"}}
		return s
	}
	const x = "GET http://x.test"
	runScenarios(t, []scenario{
		pair("GET /a?a=1&b=2", "GET /a?b=2&a=1", "M"), pair("GET /a?a=1", "GET /a?a=1&a=1", "M"), pair("GET /a?", "GET /a", "M"),
		pair("GET /%41", "GET /A", "M"), pair("GET /a%2Fb", "GET /a/b", "M"), pair("GET /a%2fb", "GET /a%2Fb", "M"),
		pair("GET /b/../a", "GET /a", "M"), pair("GET //a", "GET /a", "M"), pair("GET /a;x=1", "GET /a", "M"),
		pair("GET /account", "GET /account/x.css", "M"), pair("GET /A", "GET /a", "M"),
		pair(x+"/a", "GET http://X.TEST/a", "H"), pair(x+"/a", "GET http://x.test./a", "H"), pair(x+"/a", "GET http://x.test:80/a", "H"),
		pair(x+"/a", "GET http://x.test:81/a", "M"), pair(x+"/a", "GET http://y.test/a", "M"), pair(x+"/a", "GET https://x.test/a", "M"),
		pair(x+"/a", x+"/a|X-Forwarded-Host: y.test", "H"),
		pair("GET /a|X-Http-Method-Override: DELETE", "GET /a", "M"), pair("GET /a", "GET /a|X-Http-Method-Override: DELETE", "M"),
		pair("GET /a|Upgrade: websocket", "GET /a", "M"),
		allowed(pair("GET http://good.test/a", "GET http://good.test/a", "H")),
		allowed(pair("GET http://good.test:8080/a", "GET http://good.test:8080/a", "H")),
		allowed(pair("GET http://evil.test/a", "GET http://evil.test/a", "M")),
		{name: "must-revalidate wins over max-stale", calls: []call{
			{res: "200|Cache-Control: max-age=1, must-revalidate", want: "M"}, {after: 2 * s1, req: "GET /a|Cache-Control: max-stale", want: "M"}}},
		{name: "bypass", opts: &httpcache.Options{Bypass: func(r *http.Request) bool { return r.Header.Get("X-Debug") != "" }}, calls: []call{
			{res: fresh60, want: "M"}, {req: "GET /a|X-Debug: 1", want: "M"}, {want: "H"}}},
		{name: "client directives ignored", opts: &httpcache.Options{IgnoreClientDirectives: true}, calls: []call{
			{res: fresh60, want: "M"}, {req: "GET /a|Cache-Control: no-cache", want: "H"}, {req: "GET /a|Cache-Control: max-age=0", want: "H"},
			{req: "GET /b|Cache-Control: no-store", want: "M"}, {req: "GET /b", want: "M"}}},
	})
}

// A GET with a body is for the handler.
func TestKeys_body(t *testing.T) {
	l := newLab(t, nil, httpcache.Route{})
	l.res = fresh60
	for range 2 {
		l.do2(httptest.NewRequest("GET", "/a", strings.NewReader("x")))
	}
	l.do2(httptest.NewRequest("GET", "/a", nil))
	if len(l.asked) != 3 {
		t.Errorf("%d calls of the handler, want 3", len(l.asked))
	}
}

func (l *lab) do2(r *http.Request) { l.h.ServeHTTP(httptest.NewRecorder(), r) }

// What other middleware makes of the URL is part of what is compared.
func TestKeys_rewritten(t *testing.T) {
	l := newLab(t, nil, httpcache.Route{})
	h := l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		io.WriteString(w, r.URL.Path)
	}))
	rewrite := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.Header.Get("X-Original-Url"); to != "" {
			r.URL.Path = to
		}
		h.ServeHTTP(w, r)
	})
	for _, to := range []string{"", "/evil", "", "/evil"} {
		w := httptest.NewRecorder()
		r := request("GET /a")
		r.Header.Set("X-Original-Url", to)
		rewrite.ServeHTTP(w, r)
		if want := to; w.Body.String() != max(want, "/a") && !(to != "" && w.Body.String() == to) {
			t.Errorf("rewritten to %q: got %s", to, w.Body)
		}
	}
}

// Clients that demand a revalidation at the same time share it.
func TestRevalidation_shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{})
		var calls atomic.Int64
		l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Cache-Control", "max-age=60")
			time.Sleep(time.Second)
			fmt.Fprint(w, calls.Load())
		}))
		l.do(request(""))
		fleet(l.h, 100, func(int) *http.Request { return request("GET /a|Cache-Control: max-age=0") })
		if n := calls.Load(); n > 3 { // those that come after a revalidation has begun share the next one
			t.Errorf("%d calls of the handler, want 3 at most", n)
		}
	})
}
