package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) })

func get(h http.Handler, change func(*http.Request)) *http.Response {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "203.0.113.9:1234"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := local(t, ratelimit.Policy{Name: "burst", Limit: 4, Window: 1500 * time.Millisecond, Burst: 2},
			ratelimit.Policy{Name: "day", Algorithm: ratelimit.FixedWindow, Limit: 100, Window: 24 * time.Hour},
			ratelimit.Policy{Name: "work", Algorithm: ratelimit.Concurrency, Limit: 50, Window: time.Minute})
		h := (&ratelimit.HTTP{Limiter: l, Key: ratelimit.ByIP(), Legacy: true}).Middleware(hello)
		const policies = `"burst";q=4;w=2, "day";q=100;w=86400, "work";q=50;qu="concurrent-requests"`
		check := func(r *http.Response, status int, fields map[string]string) {
			t.Helper()
			if r.StatusCode != status {
				t.Errorf("status %d, want %d", r.StatusCode, status)
			}
			for name, want := range fields {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		}
		check(get(h, nil), 200, map[string]string{"RateLimit-Policy": policies, "RateLimit": `"burst";r=1;t=1`, "Retry-After": "",
			"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1"})
		check(get(h, nil), 200, map[string]string{"RateLimit": `"burst";r=0;t=1`})
		denied := get(h, nil)
		check(denied, 429, map[string]string{"RateLimit-Policy": policies, "RateLimit": `"burst";r=0;t=1`, "Retry-After": "1",
			"Content-Type": "application/problem+json"})
		var doc struct {
			Type     string
			Status   int
			Violated []string `json:"violated-policies"`
		}
		if err := json.NewDecoder(denied.Body).Decode(&doc); err != nil || doc.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" ||
			doc.Status != 429 || len(doc.Violated) != 1 || doc.Violated[0] != "burst" {
			t.Errorf("the document: %+v, %v", doc, err)
		}
		check(get(h, func(r *http.Request) { r.RemoteAddr = "203.0.113.10:1" }), 200, nil)
		time.Sleep(time.Second) // as long as it said
		check(get(h, nil), 200, nil)

		plain := ratelimit.Middleware(l, ratelimit.ByIP())(hello)
		check(get(plain, nil), 200, map[string]string{"X-RateLimit-Limit": "", "X-RateLimit-Reset": ""})
		check(get(plain, func(r *http.Request) { r.RemoteAddr = "@" }), 400, map[string]string{"RateLimit": ""})

		costly := (&ratelimit.HTTP{Limiter: l, Key: ratelimit.ByIP(), Cost: func(r *http.Request) int { return len(r.URL.RawQuery) }}).Middleware(hello)
		check(get(costly, nil), 200, map[string]string{"RateLimit": ""})
		check(get(costly, func(r *http.Request) { r.URL.RawQuery = "four" }), 429, map[string]string{"Retry-After": ""})
	})
}

// failing is a limiter that cannot decide, or lets everything pass because of that.
type failing struct {
	ratelimit.Limiter
	open bool
}

func (f failing) AllowN(context.Context, string, int) (ratelimit.Result, error) {
	if f.open {
		return ratelimit.Result{Allowed: true, Policy: "p", Source: ratelimit.SourceOpen}, nil
	}
	return ratelimit.Result{RetryAfter: 1500 * time.Millisecond, Source: ratelimit.SourceClosed}, errors.New("away")
}

func TestMiddleware_cannotDecide(t *testing.T) {
	r := get(ratelimit.Middleware(failing{}, ratelimit.ByIP())(hello), nil)
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "2" || r.Header.Get("RateLimit") != "" {
		t.Errorf("closed: %d, %v", r.StatusCode, r.Header)
	}
	r = get(ratelimit.Middleware(failing{open: true}, ratelimit.ByIP())(hello), nil)
	if r.StatusCode != 200 || r.Header.Get("RateLimit") != "" {
		t.Errorf("open: %d, %v", r.StatusCode, r.Header)
	}
}

func TestByIP(t *testing.T) {
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for _, c := range []struct {
		name      string
		trusted   []netip.Prefix
		peer      string
		forwarded []string
		want      string // "": none
	}{
		{"no proxy", nil, "203.0.113.9:1", nil, "ip:203.0.113.9"},
		{"nobody is trusted", nil, "203.0.113.9:1", []string{"1.1.1.1"}, "ip:203.0.113.9"},
		{"a peer that is not trusted", private, "203.0.113.9:1", []string{"1.1.1.1"}, "ip:203.0.113.9"},
		{"one proxy", private, "10.0.0.1:1", []string{"203.0.113.9"}, "ip:203.0.113.9"},
		{"what the client wrote", private, "10.0.0.1:1", []string{"1.1.1.1, 203.0.113.9"}, "ip:203.0.113.9"},
		{"in a field of its own", private, "10.0.0.1:1", []string{"1.1.1.1", "203.0.113.9"}, "ip:203.0.113.9"},
		{"two proxies", private, "10.0.0.1:1", []string{"1.1.1.1, 203.0.113.9, 10.1.2.3"}, "ip:203.0.113.9"},
		{"that claims to be a proxy", private, "10.0.0.1:1", []string{"10.9.9.9, 203.0.113.9"}, "ip:203.0.113.9"},
		{"all trusted", private, "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "ip:10.0.0.3"},
		{"trusted, and no field", private, "10.0.0.1:1", nil, "ip:10.0.0.1"},
		{"no address", private, "10.0.0.1:1", []string{"203.0.113.9, unknown"}, "ip:10.0.0.1"},
		{"with a port", private, "10.0.0.1:1", []string{"203.0.113.9:555"}, "ip:203.0.113.9"},
		{"IPv6", nil, "[2001:db8:1:2:3:4:5:6]:1", nil, "ip:2001:db8:1:2::/64"},
		{"IPv6, a neighbour", nil, "[2001:db8:1:2:ffff::]:1", nil, "ip:2001:db8:1:2::/64"},
		{"IPv6 with a zone", nil, "[fe80::1%eth0]:1", nil, "ip:fe80::/64"},
		{"IPv4 in IPv6", private, "[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "ip:203.0.113.9"},
		{"IPv6 forwarded", private, "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2:3::]:99"}, "ip:2001:db8:1:2::/64"},
		{"IPv6 in brackets", private, "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2:3::]"}, "ip:2001:db8:1:2::/64"},
		{"a socket", nil, "@", nil, ""},
		{"a socket, and proxies elsewhere", private, "@", []string{"203.0.113.9"}, ""},
		{"a socket where everybody is trusted", all, "@", []string{"203.0.113.9"}, "ip:203.0.113.9"},
		{"no port", nil, "203.0.113.8", nil, "ip:203.0.113.8"},
		{"IPv6 without a port", nil, "2001:db8::1", nil, "ip:2001:db8::/64"},
		{"IPv6 in brackets without a port", nil, "[2001:db8::1]", nil, "ip:2001:db8::/64"},
		{"a zone without a port", nil, "fe80::1%eth0", nil, "ip:fe80::/64"},
		{"blanks", nil, " 203.0.113.8 ", nil, "ip:203.0.113.8"},
		{"a proxy without a port", private, "10.0.0.1", []string{"203.0.113.9"}, "ip:203.0.113.9"},
		{"a hop with a zone", private, "10.0.0.1:1", []string{"fe80::1%eth0"}, "ip:fe80::/64"},
		{"a prefix of IPv4 in IPv6", []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}, "10.0.0.1:1", []string{"203.0.113.9"}, "ip:203.0.113.9"},
		{"a host name", all, "localhost:80", []string{"203.0.113.9"}, ""},
		{"a port alone", all, ":80", []string{"203.0.113.9"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		got, err := ratelimit.ByIP(c.trusted...)(r)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// A Unix socket has no address: what its peer forwards counts only where the options
// trust it.
func TestIPOptions_TrustUnix(t *testing.T) {
	trusting := &ratelimit.IPOptions{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, TrustUnix: true}
	for _, c := range []struct {
		name, peer, forwarded, want string
	}{
		{"unnamed", "@", "203.0.113.9", "ip:203.0.113.9"},
		{"no name at all", "", "203.0.113.9", "ip:203.0.113.9"},
		{"a path", "/run/web.sock", "203.0.113.9", "ip:203.0.113.9"},
		{"another proxy in between", "@", "1.1.1.1, 203.0.113.9, 10.0.0.1", "ip:203.0.113.9"},
		{"what the client wrote", "@", "1.1.1.1, 203.0.113.9", "ip:203.0.113.9"},
		{"the proxy itself", "@", "", "ip:unix"},
		{"no address", "@", "203.0.113.9, unknown", "ip:unix"},
		{"a peer with an address", "198.51.100.1:1", "203.0.113.9", "ip:198.51.100.1"},
		{"neither", "pipe", "203.0.113.9", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		got, err := trusting.ByIP()(r)
		if got != c.want || (c.want == "") != errors.Is(err, ratelimit.ErrNoKey) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
		if got, err := new(ratelimit.IPOptions).ByIP()(r); c.peer[:min(1, len(c.peer))] != "1" && err == nil {
			t.Errorf("%s, and sockets are not trusted: %q", c.name, got)
		}
	}
}

func TestKeyFuncs(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "203.0.113.9:1"
	user := ""
	byUser := ratelimit.ByUser(func(*http.Request) string { return user })
	byHeader := ratelimit.ByHeader("X-Api-Key")
	check := func(f ratelimit.KeyFunc, want string) {
		t.Helper()
		if got, err := f(r); got != want || (want == "") != errors.Is(err, ratelimit.ErrNoKey) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	first, each := ratelimit.First(byUser, byHeader, ratelimit.ByIP()), ratelimit.Each(byUser, ratelimit.ByIP())
	check(byUser, "")
	check(byHeader, "")
	check(each, "")
	check(first, "ip:203.0.113.9")
	r.Header.Set("X-Api-Key", "k")
	check(byHeader, "header:k")
	check(first, "header:k")
	user = "7"
	check(byUser, "user:7")
	check(first, "user:7")
	check(each, "6:user:714:ip:203.0.113.9")
	check(ratelimit.First(), "")
}

// Whatever comes in, the key is an address or that of Unix sockets, and no field can change that of a peer who
// is not trusted.
func FuzzByIP(f *testing.F) {
	f.Add("203.0.113.9:1", "1.1.1.1, ::1")
	f.Add("10.0.0.1:1", "1.1.1.1, [::1]:x, ,")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		without, errWithout := ratelimit.ByIP()(r)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		with, err := ratelimit.ByIP()(r)
		if with != without || (err != nil) != (errWithout != nil) {
			t.Errorf("%q from %q: %q, without %q", forwarded, peer, with, without)
		}
		trusting, err := ratelimit.ByIP(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))(r)
		if err != nil {
			return
		}
		if _, err := netip.ParseAddr(trusting[3:]); err != nil && trusting != "ip:unix" {
			if p, err := netip.ParsePrefix(trusting[3:]); err != nil || p.Bits() != 64 || p != p.Masked() {
				t.Errorf("%q from %q: %q", forwarded, peer, trusting)
			}
		}
	})
}

// TestByRoute: each pattern of a mux has its own allowance, in front of the mux and in it.
func TestByRoute(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", hello)
	mux.Handle("/reports/", hello)
	key := func(f ratelimit.KeyFunc, path string) (key string, err error) {
		key, err = f(httptest.NewRequest("GET", path, nil))
		return key, err
	}
	for path, want := range map[string]string{"/users/1": "route:GET /users/{id}", "/users/2": "route:GET /users/{id}", "/reports/x": "route:/reports/", "/none": "route:"} {
		if got, err := key(ratelimit.ByRoute(mux), path); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if got, err := key(ratelimit.ByRoute(nil), "/users/1"); !errors.Is(err, ratelimit.ErrNoKey) {
		t.Errorf("without a mux: %q, %v", got, err)
	}

	inner := http.NewServeMux()
	l := local(t, ratelimit.Policy{Name: "one", Limit: 1, Window: time.Hour})
	limited := ratelimit.Middleware(l, ratelimit.Each(ratelimit.ByRoute(nil), ratelimit.ByIP()))(hello)
	inner.Handle("GET /users/{id}", limited)
	inner.Handle("GET /reports", limited)
	for i, c := range []struct {
		path   string
		status int
	}{{"/users/1", 200}, {"/users/2", 429}, {"/reports", 200}, {"/reports", 429}} {
		r := httptest.NewRequest("GET", c.path, nil)
		w := httptest.NewRecorder()
		if inner.ServeHTTP(w, r); w.Code != c.status {
			t.Errorf("request %d, %s: %d, want %d", i, c.path, w.Code, c.status)
		}
	}
}
