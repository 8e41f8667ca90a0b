package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// TestRevalidation_which: a 304 updates the stored response that it is about, and no other one (RFC
// 9111 section 4.3.4): after one with another ETag the handler is called again, without a
// condition. Fields that describe the stored body stay (section 3.2).
func TestRevalidation_which(t *testing.T) {
	const (
		stored = `Cache-Control: max-age=2|Etag: "v1"|Content-Md5: one|X-Foo: 1`
		kept   = "one" // the body, and X-Foo afterwards is that of the 304
	)
	for _, c := range []struct {
		name, stored, says string // the header of the first response, and of the 304
		calls              int    // of the handler for the second request
		is                 string
	}{
		{"the same ETag", stored, `Etag: "v1"`, 1, kept},
		{"its weak form", stored, `Etag: W/"v1"`, 1, kept},
		{"no ETag", stored, "", 1, kept},
		{"another ETag", stored, `Etag: "v2"`, 2, "two"},
		{"another weak ETag", stored, `Etag: W/"v2"`, 2, "two"},
		{"by date", "Cache-Control: max-age=2|Last-Modified: Thu, 01 Jan 1998 00:00:00 GMT|Content-Md5: one|X-Foo: 1", "", 1, kept},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, asked := newLab(t, nil, httpcache.Route{}), 0
				l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					switch {
					case asked == 1:
						addLines(w.Header(), split(c.stored))
						io.WriteString(w, "one")
					case r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "":
						addLines(w.Header(), append(split(c.says), "Cache-Control: max-age=60", "X-Foo: 2", "Content-Md5: two"))
						w.WriteHeader(304)
					default:
						addLines(w.Header(), []string{"Cache-Control: max-age=60", "X-Foo: 2", "Content-Md5: two"})
						io.WriteString(w, "two")
					}
				}))
				l.do(request(""))
				time.Sleep(3 * time.Second)
				asked = 1
				for i := range 2 { // the second one is a hit
					res, body := l.do(request(""))
					got := fmt.Sprint(res.StatusCode, body, res.Header["X-Foo"], res.Header["Content-Md5"], asked-1)
					if want := fmt.Sprint(200, c.is, []string{"2"}, []string{c.is}, c.calls); got != want {
						t.Errorf("request %d: %s, want %s", i+2, got, want)
					}
				}
			})
		})
	}
}
