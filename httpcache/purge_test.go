package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// overtaken purges while the handler runs, at some time after it has read.
func overtaken(t *testing.T, after time.Duration) {
	purges := map[string]func(l *lab) error{
		"url":  func(l *lab) error { return l.cache.Purge(ctx, "http://example.com/a") },
		"tag":  func(l *lab) error { return l.cache.PurgeTags(ctx, "t") },
		"all":  func(l *lab) error { return l.cache.Clear(ctx) },
		"soft": func(l *lab) error { return l.cache.SoftPurgeTags(ctx, "t") },
		"post": func(l *lab) error {
			l.h.ServeHTTP(httptest.NewRecorder(), request("POST /a"))
			return nil
		},
	}
	for name, purge := range purges {
		t.Run(fmt.Sprint(name, after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil, httpcache.Route{})
				var version atomic.Int64
				l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == "POST" {
						return
					}
					v := version.Load()
					w.Header().Set("Cache-Control", "max-age=60")
					httpcache.SetTags(w, "t")
					time.Sleep(2 * time.Second)
					fmt.Fprint(w, v)
				}))
				go l.h.ServeHTTP(httptest.NewRecorder(), request(""))
				synctest.Wait()
				time.Sleep(after)
				version.Store(1)
				if err := purge(l); err != nil {
					t.Fatal(err)
				}
				if _, body := l.do(request("")); body != "1" { // does not join the older one
					t.Errorf("got version %s after the change", body)
				}
				time.Sleep(5 * time.Second)
				if _, body := l.do(request("")); body != "1" {
					t.Errorf("stored: version %s", body)
				}
			})
		})
	}
}

// TestPurge: by URL, by the text of Route.Key, by tag and by group.
func TestPurge(t *testing.T) {
	rt := httpcache.Route{
		Tags: func(r *http.Request) []string { return []string{"path:" + r.URL.Path} },
	}
	keyed := rt
	keyed.Key = func(r *http.Request) string { return r.URL.Query().Get("id") }
	for _, c := range []struct {
		name  string
		rt    httpcache.Route
		purge func(c *httpcache.Cache) error
		calls int
	}{
		{"nothing", rt, func(c *httpcache.Cache) error { return nil }, 1},
		{"url", rt, func(c *httpcache.Cache) error { return c.Purge(ctx, "https://EXAMPLE.com./a?id=1") }, 2},
		{"other url", rt, func(c *httpcache.Cache) error { return c.Purge(ctx, "https://example.com/a") }, 1},
		{"tag", rt, func(c *httpcache.Cache) error { return c.PurgeTags(ctx, "path:/a") }, 2},
		{"tag of the handler", rt, func(c *httpcache.Cache) error { return c.PurgeTags(ctx, "x", "own") }, 2},
		{"other tag", rt, func(c *httpcache.Cache) error { return c.PurgeTags(ctx, "path:/b") }, 1},
		{"group", rt, func(c *httpcache.Cache) error { return c.PurgeGroups(ctx, "example.com", "g") }, 2},
		{"key", keyed, func(c *httpcache.Cache) error { return c.PurgeKey(ctx, "example.com", "1") }, 2},
		{"other key", keyed, func(c *httpcache.Cache) error { return c.PurgeKey(ctx, "example.com", "2") }, 1},
		{"url of a key", keyed, func(c *httpcache.Cache) error { return c.Purge(ctx, "http://example.com/a?id=1") }, 1},
		{"pattern", keyed, func(c *httpcache.Cache) error { _, err := c.PurgePattern(ctx, `* "1"*`); return err }, 2},
		{"pattern of urls", rt, func(c *httpcache.Cache) error { _, err := c.PurgePattern(ctx, "http://example.com/*"); return err }, 2},
		{"other pattern", rt, func(c *httpcache.Cache) error { _, err := c.PurgePattern(ctx, "http://example.org/*"); return err }, 1},
		{"soft", rt, func(c *httpcache.Cache) error { return c.SoftPurge(ctx, "http://example.com/a?id=1") }, 2},
		{"soft by key", keyed, func(c *httpcache.Cache) error { return c.SoftPurgeKey(ctx, "example.com", "1") }, 2},
		{"soft by another key", keyed, func(c *httpcache.Cache) error { return c.SoftPurgeKey(ctx, "example.com", "2") }, 1},
		{"soft by tag", rt, func(c *httpcache.Cache) error { return c.SoftPurgeTags(ctx, "x", "own") }, 2},
		{"soft by another tag", rt, func(c *httpcache.Cache) error { return c.SoftPurgeTags(ctx, "x") }, 1},
		{"soft by no tag", rt, func(c *httpcache.Cache) error { return c.SoftPurgeTags(ctx) }, 1},
		{"soft, nothing stored", rt, func(c *httpcache.Cache) error { return c.SoftPurge(ctx, "http://example.com/b") }, 1},
		{"all", keyed, func(c *httpcache.Cache) error { return c.Clear(ctx) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, nil, c.rt)
			calls := 0
			h := l.cache.Route(c.rt)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Cache-Groups", `"g"`)
				httpcache.SetTags(w, "own")
				io.WriteString(w, "x")
			}))
			h.ServeHTTP(httptest.NewRecorder(), request("GET /a?id=1"))
			if err := c.purge(l.cache); err != nil {
				t.Fatal(err)
			}
			h.ServeHTTP(httptest.NewRecorder(), request("GET /a?id=1"))
			if calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
		})
	}
	l := newLab(t, nil, rt)
	for _, bad := range []string{"/a", "://", ""} {
		if err := l.cache.Purge(ctx, bad); err == nil {
			t.Errorf("Purge(%q) has no error", bad)
		}
	}
}

// A Route with a Key gives requests with one text one response, and NoStore stores nothing.
func TestRoute(t *testing.T) {
	runScenarios(t, []scenario{
		{name: "key", rt: httpcache.Route{Key: func(r *http.Request) string { return r.URL.Path }}, calls: []call{
			{req: "GET /a?utm=1", res: fresh60, want: "M"}, {req: "GET /a?utm=2", want: "H"}, {req: "GET /b", want: "M"},
			{req: "GET http://other.test/a", want: "M"}, {req: "POST /a?x", res: "200", want: "M"}, {req: "GET /a", res: fresh60, want: "M"}}},
		{name: "no store", rt: httpcache.Route{NoStore: true}, calls: []call{{res: fresh60, want: "M"}, {want: "M"}}},
		{name: "ttl", rt: httpcache.Route{TTL: time.Minute}, calls: []call{{res: "200", want: "M"}, {want: "H"}, {after: 61 * s1, want: "M"}}},
		{name: "ttl and max-age", rt: httpcache.Route{TTL: time.Minute}, calls: []call{{res: "200|Cache-Control: max-age=5", want: "M"}, {after: 6 * s1, want: "M"}}},
		{name: "ttl and no-store", rt: httpcache.Route{TTL: time.Minute}, calls: []call{{res: "200|Cache-Control: no-store", want: "M"}, {want: "M"}}},
		{name: "ttl and an error", rt: httpcache.Route{TTL: time.Minute}, calls: []call{{res: "500", want: "M"}, {want: "M"}}},
		{name: "stale", rt: httpcache.Route{TTL: time.Minute, StaleIfError: time.Minute}, calls: []call{{res: "200", want: "M"}, {after: 61 * s1, res: "500", want: "E"}}},
	})
}

// A soft purge makes a URL stale with all its variants: they are revalidated, served while they
// are refreshed, and served if the handler fails.
func TestSoftPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{})
		const tagged = fresh60 + `|Vary: X-B|Etag: "v1"`
		one, two := "GET /a|X-B: 1", "GET /a|X-B: 2"
		for i, c := range []call{
			{req: one, res: tagged, want: "M"}, {req: two, want: "M"}, {req: two, want: "H"}} {
			l.run(i, c)
		}
		if err := l.cache.SoftPurge(ctx, "http://example.com/a"); err != nil {
			t.Fatal(err)
		}
		for i, c := range []call{
			{req: two, want: "R"}, {req: one, want: "R"}, {req: one, want: "H"}, {req: two, want: "H"}} {
			l.run(i+3, c)
		}
		l.run(7, call{req: "GET /s", res: fresh60 + ", stale-while-revalidate=60, stale-if-error=60", want: "M"})
		if err := l.cache.SoftPurge(ctx, "http://example.com/s"); err != nil {
			t.Fatal(err)
		}
		l.run(8, call{req: "GET /s", res: "503", want: "S"})
		l.run(9, call{req: "GET /s", res: fresh60, want: "S"})
		l.run(10, call{req: "GET /s", want: "H"})
	})
}

// A soft purge by tag or group makes responses stale that were stored before, and those whose
// handler was called before.
func TestSoftPurge_tags(t *testing.T) {
	const tagged = fresh60 + `|Cache-Groups: "g", "h"|Etag: "v1"`
	const swr = `200|Cache-Control: max-age=60, stale-while-revalidate=60|Cache-Groups: "g"`
	const sie = `200|Cache-Control: max-age=60, stale-if-error=60|Cache-Groups: "g"`
	for name, s := range map[string]struct{ before, after []call }{
		"revalidated": {[]call{{res: tagged, want: "M"}, {want: "H"}},
			[]call{{want: "R", has: "Cache-Status: lab; fwd=stale; detail=soft-purge; fwd-status=304"}, {want: "H"}}},
		"no validator":        {[]call{{res: fresh60 + `|Cache-Groups: "g"`, want: "M"}}, []call{{want: "M", has: "Cache-Status: lab; fwd=stale; detail=soft-purge"}, {want: "H"}}},
		"other group":         {[]call{{res: fresh60 + `|Cache-Groups: "G"`, want: "M"}}, []call{{want: "H"}}},
		"no group":            {[]call{{res: fresh60, want: "M"}}, []call{{want: "H"}}},
		"stale while":         {[]call{{res: swr, want: "M"}}, []call{{want: "S", has: "Cache-Status: lab; hit; ttl=0; detail=soft-purge"}, {want: "H"}}},
		"stale if error":      {[]call{{res: sie, want: "M"}}, []call{{res: "503", want: "E"}, {res: sie, want: "M"}, {want: "H"}}},
		"not stale if error":  {[]call{{res: tagged, want: "M"}}, []call{{res: "503", want: "C", has: "Cache-Status: lab; fwd=stale; detail=status"}}},
		"not for max-stale":   {[]call{{res: tagged, want: "M"}}, []call{{req: "GET /a|Cache-Control: max-stale", want: "R"}}},
		"variants":            {[]call{{req: "GET /a|X-B: 1", res: tagged + "|Vary: X-B", want: "M"}, {req: "GET /a|X-B: 2", want: "M"}}, []call{{req: "GET /a|X-B: 2", want: "R"}, {req: "GET /a|X-B: 1", want: "R"}, {req: "GET /a|X-B: 2", want: "H"}}},
		"not only-if-cached":  {[]call{{res: tagged, want: "M"}}, []call{{req: "GET /a|Cache-Control: only-if-cached", want: "504"}}},
		"stored after others": {[]call{{res: tagged, want: "M"}, {req: "GET /b", res: fresh60 + `|Cache-Groups: "h"`, want: "M"}}, []call{{req: "GET /b", want: "H"}, {res: tagged, want: "R"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil, httpcache.Route{})
				for _, before := range []string{"other", "another"} {
					if err := l.cache.SoftPurgeGroups(ctx, "example.com", before); err != nil {
						t.Fatal(err)
					}
				}
				for i, c := range s.before {
					l.run(i, c)
				}
				if err := l.cache.SoftPurgeGroups(ctx, "example.com", "x", "g"); err != nil {
					t.Fatal(err)
				}
				for i, c := range s.after {
					l.run(len(s.before)+i, c)
				}
			})
		})
	}
}

// After the tags of a log are forgotten, responses with tags that are older are stale.
func TestSoftPurge_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{Tags: func(r *http.Request) []string { return []string{"path:" + r.URL.Path} }})
		purge := func(n int) {
			t.Helper()
			tags := make([]string, n)
			for i := range tags {
				tags[i] = fmt.Sprint("other:", i)
			}
			if err := l.cache.SoftPurgeTags(ctx, tags...); err != nil {
				t.Fatal(err)
			}
		}
		l.run(1, call{res: fresh60, want: "M"})
		purge(900)
		l.run(2, call{want: "H"})
		if err := l.cache.SoftPurgeTags(ctx, "path:/b"); err != nil {
			t.Fatal(err)
		}
		l.run(3, call{want: "H"})
		purge(1001)
		l.run(4, call{want: "M"})
		l.run(5, call{want: "H"})
	})
}
