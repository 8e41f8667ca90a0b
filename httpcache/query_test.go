package httpcache_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// TestQuery: responses to QUERY are stored if Options.MaxQuery says so, by their content and what
// describes it (RFC 10008).
func TestQuery(t *testing.T) {
	opts := &httpcache.Options{MaxQuery: 10, StaleWhileRevalidate: time.Minute}
	pair := func(first, second, want string) scenario {
		return scenario{name: first + " then " + second, opts: opts, calls: []call{{req: first, res: fresh60, want: "M"}, {req: second, want: want}}}
	}
	const q = "QUERY /a|Content-Type: text/plain|Body: one"
	const tagged = fresh60 + `|Etag: "v1"`
	runScenarios(t, []scenario{
		{name: "off", calls: []call{{req: q, res: fresh60, want: "M", has: "Cache-Status: lab; fwd=method"}, {req: q, want: "M"}}},
		pair(q, q, "H"), pair(q, "QUERY /a|Content-Type: text/plain|Body: two", "M"), pair(q, "QUERY /a|Content-Type: text/html|Body: one", "M"),
		pair(q, q+"|Content-Encoding: gzip", "M"), pair(q, q+"|Content-Language: en", "M"), pair(q, "QUERY /b|Content-Type: text/plain|Body: one", "M"),
		pair(q, "QUERY /a?x|Content-Type: text/plain|Body: one", "M"), pair(q, "GET /a", "M"), pair("GET /a", q, "M"),
		pair("QUERY /a|Body: 01234567890", "QUERY /a|Body: 01234567890", "M"), pair("QUERY /a|Body: 0123456789", "QUERY /a|Body: 0123456789", "H"),
		pair("QUERY /a", "QUERY /a", "H"), pair(q+"|Upgrade: x", q+"|Upgrade: x", "M"),
		{name: "too large", opts: opts, calls: []call{{req: "QUERY /a|Body: 01234567890", res: fresh60, want: "M", has: "Cache-Status: lab; fwd=bypass; detail=size"}}},
		{name: "Vary", opts: opts, calls: []call{{req: q + "|X-B: 1", res: fresh60 + "|Vary: X-B", want: "M"}, {req: q + "|X-B: 2", want: "M"}, {req: q + "|X-B: 1", want: "H"}}},
		{name: "conditional", opts: opts, calls: []call{{req: q, res: tagged, want: "M"}, {req: q + `|If-None-Match: "v1"`, want: "304"}, {req: q + "|Range: bytes=0-1", want: "H"}}},
		{name: "refreshed", opts: opts, calls: []call{{req: q, res: tagged, want: "M"}, {after: 70 * s1, req: q, want: "S"}, {req: q, want: "H"}}},
		{name: "private", opts: opts, calls: []call{{req: q, res: "200|Cache-Control: private, max-age=60", want: "M"}, {req: q, want: "M"}}},
		{name: "POST", opts: opts, calls: []call{{req: q, res: fresh60, want: "M"}, {req: "POST /a", res: "204", want: "M"}, {req: q, res: fresh60, want: "M"}}},
		{name: "QUERY is safe", opts: opts, calls: []call{{res: fresh60, want: "M"}, {req: q, want: "M"}, {want: "H"}}},
	})
}

// The handler gets the whole content, whether its response is stored or not, and again in the
// background.
func TestQuery_content(t *testing.T) {
	l := newLab(t, &httpcache.Options{MaxQuery: 10}, httpcache.Route{})
	got := make(chan string, 10)
	h := l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=60")
		w.Write(b)
		got <- r.Method + " " + string(b)
	}))
	for _, body := range []string{"small", "small", strings.Repeat("x", 100_000), ""} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("QUERY", "/a", strings.NewReader(body)))
		if called := <-got; w.Body.String() != body || called != "QUERY "+body {
			t.Errorf("%.10s: the client got %.10s, the handler %.10s", body, w.Body.String(), called)
		}
	}
}

// Purges of a URL concern its QUERY responses.
func TestQuery_purged(t *testing.T) {
	for name, purge := range map[string]func(c *httpcache.Cache) error{
		"hard": func(c *httpcache.Cache) error { return c.Purge(ctx, "http://example.com/a?x") },
		"soft": func(c *httpcache.Cache) error { return c.SoftPurge(ctx, "http://example.com/a?x") },
		"all":  func(c *httpcache.Cache) error { return c.Clear(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, &httpcache.Options{MaxQuery: 10, NoVarySearch: true}, httpcache.Route{})
				const utm = fresh60 + `|No-Vary-Search: params=("utm")`
				reqs := []string{"QUERY /a?x|Body: 1", "QUERY /a?x|Body: 2", "GET /a?x&utm=1"}
				l.run(0, call{req: reqs[2], res: utm, want: "M"})
				for i, want := range []string{"M", "H"} {
					for _, req := range reqs {
						l.run(i, call{req: req, res: utm, want: want})
					}
				}
				if err := purge(l.cache); err != nil {
					t.Fatal(err)
				}
				for i, req := range reqs {
					l.run(2+i, call{req: req, res: utm, want: "M"})
				}
			})
		})
	}
}

// TestNoVarySearch: the second request with a rule that is known shares a response; without the
// option, and with an invalid field, the whole query counts.
func TestNoVarySearch(t *testing.T) {
	on := &httpcache.Options{NoVarySearch: true}
	pair := func(field, first, second, want string) scenario {
		res := fresh60 + "|No-Vary-Search: " + field
		return scenario{name: field + " " + first + " then " + second, opts: on, calls: []call{
			{req: "GET /a?learn", res: res, want: "M"}, {req: "GET /a" + first, want: "M"}, {req: "GET /a" + second, want: want}}}
	}
	const utm = `params=("utm")`
	off := pair(utm, "?utm=1", "?utm=2", "M")
	off.name, off.opts = "off", nil
	runScenarios(t, []scenario{
		off,
		pair(utm, "?utm=1", "?utm=2", "H"), pair(utm, "?utm=1&b=2", "?b=2&utm=7&utm=8", "H"), pair(utm, "?utm=1&b=2", "?b=3&utm=1", "M"),
		pair(utm, "?utm=1&b=2&c", "?c&b=2", "M"), pair(utm, "?b=2", "?b=2&b=2", "M"), pair(utm, "?utm=1", "", "M"), pair(utm, "?%75tm=1", "?utm", "H"),
		pair(utm, "?b=%41", "?b=A", "H"), pair(utm, "?b=a+b", "?b=a%20b", "H"), pair(utm, "?b=a%2Bb", "?b=a+b", "M"), pair(utm, "?b=1", "?b=1&", "H"),
		pair(utm, "?b=%zz", "?b=%25zz", "M"), pair(utm, "?b=%zz&utm=1", "?b=%zz&utm=2", "M"), pair(utm, "?UTM=1", "?UTM=2", "M"),
		pair("key-order", "?a=1&b=2", "?b=2&a=1", "H"), pair("key-order", "?a=1&a=2", "?a=2&a=1", "M"), pair("key-order=?0", "?a=1&b=2", "?b=2&a=1", "M"),
		pair(`except=("id")`, "?id=1&x=1", "?y=1&id=1", "H"), pair(`except=("id")`, "?id=1&x=1", "?id=2&x=1", "M"), pair("except=()", "?x=1", "?y=2", "H"),
		pair("params", "?x=1", "?y=2", "H"), pair(`params, except=("id")`, "?x=1", "?y=2", "M"), pair(`params=(utm)`, "?utm=1", "?utm=2", "M"),
		pair(`params=("utm"), x`, "?utm=1", "?utm=2", "M"), pair(`params=("utm"`, "?utm=1", "?utm=2", "M"), pair(`params="utm"`, "?utm=1", "?utm=2", "M"),
		{name: "another rule", opts: on, calls: []call{
			{req: "GET /a?x", res: fresh60 + "|No-Vary-Search: " + utm, want: "M"},
			{req: "GET /a?utm=1", res: fresh60 + "|No-Vary-Search: key-order", want: "M", has: "Cache-Status: lab; fwd=uri-miss; detail=no-vary-search"},
			{req: "GET /a?utm=2", want: "M"}, {req: "GET /a?utm=2", want: "H"}, {req: "GET /a?utm=1", want: "M"}}},
		{name: "no rule any more", opts: on, calls: []call{
			{req: "GET /a?x", res: fresh60 + "|No-Vary-Search: " + utm, want: "M"}, {req: "GET /a?utm=1", res: fresh60, want: "M"},
			{req: "GET /a?utm=1", want: "M"}, {req: "GET /a?utm=1", want: "H"}, {req: "GET /a?utm=2", want: "M"}}},
		{name: "of its path", opts: on, calls: []call{
			{req: "GET /a?x", res: fresh60 + "|No-Vary-Search: " + utm, want: "M"}, {req: "GET /b?utm=1", res: fresh60, want: "M"}, {req: "GET /b?utm=2", want: "M"}}},
		{name: "POST", opts: on, calls: []call{
			{req: "GET /a?x", res: fresh60 + "|No-Vary-Search: " + utm, want: "M"}, {req: "GET /a?utm=1", want: "M"}, {req: "GET /a?utm=2", want: "H"},
			{req: "POST /a?utm=3", res: "204", want: "M"}, {req: "GET /a?utm=1", res: fresh60 + "|No-Vary-Search: " + utm, want: "M"}}},
	})
}
