package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// TestCrossing: two users, with every combination of how they are known to the handler and of
// what its response says. A user gets the response to the other only if the response allows
// that: without a word about users, in spite of Cookie. It holds for requests one after the
// other, at the same time, and while the handler fails.
func TestCrossing(t *testing.T) {
	known := []string{"Authorization", "Cookie", "X-User"}
	vary := []string{"", "Vary: X-User", "Vary: Cookie, Authorization", "Vary: *"}
	controls := []string{
		"max-age=2", "public, max-age=2", "private, max-age=2", `private="X-User", max-age=2`, "no-store", "no-cache",
		"max-age=2, must-revalidate", "s-maxage=2", "max-age=2, stale-if-error=60", "max-age=2, stale-while-revalidate=60",
		"private, max-age=2, stale-if-error=60", "",
	}
	n := 0
	for _, id := range known {
		for _, v := range vary {
			for _, cc := range controls {
				for _, cookie := range []bool{false, true} {
					n++
					t.Run(fmt.Sprintf("%s/%s/%s/%v", id, v, cc, cookie), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { cross(t, id, v, cc, cookie) })
					})
				}
			}
		}
	}
	if n != 288 {
		t.Errorf("%d combinations", n)
	}
}

// mayCross reports whether the response of a user may answer the other, who is known by id.
func mayCross(id, vary, cc string, setCookie bool) bool {
	switch {
	case setCookie, strings.Contains(cc, "private"), strings.Contains(cc, "no-store"), cc == "", cc == "no-cache":
		return false
	case vary == "Vary: *", vary == "Vary: X-User" && id == "X-User", strings.HasPrefix(vary, "Vary: Cookie") && id != "X-User":
		return false
	case id == "Authorization":
		return strings.Contains(cc, "public") || strings.Contains(cc, "must-revalidate") || strings.Contains(cc, "s-maxage")
	}
	return true
}

func cross(t *testing.T, id, vary, cc string, setCookie bool) {
	l := newLab(t, &httpcache.Options{StaleIfError: time.Hour, MaxErrorTTL: time.Hour}, httpcache.Route{})
	var down atomic.Bool
	l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := r.Header.Get(id)
		r.Header.Del(id) // as middleware does that checks it
		time.Sleep(time.Second)
		if name, value, ok := strings.Cut(vary, ": "); ok {
			w.Header().Set(name, value)
		}
		if cc != "" {
			w.Header().Set("Cache-Control", cc)
		}
		w.Header().Set("Etag", fmt.Sprintf(`"%s"`, user))
		if setCookie {
			w.Header().Set("Set-Cookie", "session="+user)
		}
		switch {
		case down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("If-None-Match") == w.Header().Get("Etag"):
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "page of "+user)
	}))
	crossed := 0
	ask := func(when string) {
		for i, w := range fleet(l.h, 8, func(i int) *http.Request { return request(fmt.Sprintf("GET /a|%s: u%d", id, i%2)) }) {
			want := fmt.Sprintf("page of u%d", i%2)
			if w.Body.String() != want {
				if crossed++; !mayCross(id, vary, cc, setCookie) {
					t.Errorf("%s: u%d got %q, %v", when, i%2, w.Body, w.Header())
				}
			}
			if c := w.Header().Get("Set-Cookie"); c != "" && (w.Body.String() != want || c != fmt.Sprintf("session=u%d", i%2)) {
				t.Errorf("%s: u%d got the cookie %s", when, i%2, c)
			}
		}
		synctest.Wait()
	}
	ask("cold")
	ask("warm")
	time.Sleep(3 * time.Second)
	ask("stale")
	time.Sleep(3 * time.Second)
	down.Store(true)
	ask("while the handler fails")
	time.Sleep(20 * time.Second)
	ask("later")
	if crossed == 0 && mayCross(id, vary, cc, setCookie) {
		t.Error("nothing was shared: this test shows nothing")
	}
}

// TestCrossing_assigned: a lifetime that is not from the response, but from the route or SetTTL,
// is for requests without credentials.
func TestCrossing_assigned(t *testing.T) {
	routes := map[string]httpcache.Route{"route": {TTL: time.Minute}, "public route": {TTL: time.Minute, Public: true}, "handler": {}}
	for name, rt := range routes {
		for _, id := range []string{"Authorization", "Cookie"} {
			t.Run(name+" "+id, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, nil, rt)
					l.h = l.cache.Route(rt)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if name == "handler" {
							httpcache.SetTTL(w, time.Minute, 0, 0)
						}
						io.WriteString(w, "page of "+r.Header.Get(id))
					}))
					got := ""
					for _, req := range []string{"GET /a|" + id + ": u1", "GET /a", "GET /a", "GET /a|" + id + ": u2"} {
						_, body := l.do(request(req))
						got += body + "; "
					}
					want := "page of u1; page of ; page of ; page of u2; "
					if rt.Public {
						want = strings.Repeat("page of u1; ", 4)
					}
					if got != want {
						t.Errorf("got %s want %s", got, want)
					}
				})
			})
		}
	}
}
