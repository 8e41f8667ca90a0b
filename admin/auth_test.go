package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
)

func handler(t *testing.T, c *strata.Config, o *admin.Options) (*admin.Handler, *strata.Backend) {
	t.Helper()
	b, err := strata.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	h, err := admin.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, b
}

func cache(t *testing.T, b *strata.Backend, name string) *strata.Cache[string, string] {
	t.Helper()
	c, err := strata.New(b, name, func(_ context.Context, id string) (string, error) { return "value of " + id, nil },
		&strata.Options[string, string]{Tags: func(id, _ string) []string { return []string{"tag-" + id} }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A request is a request of the table of authorisation.
type request struct {
	peer, host, method, path string
	header                   map[string]string
	body                     string
}

func (q request) send(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, "http://"+q.host+q.path, strings.NewReader(q.body))
	r.RemoteAddr = q.peer
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	if strings.HasSuffix(q.path, "stream") { // it ends with its context
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		r = r.WithContext(ctx)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var (
	localPeers  = []string{"127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000", "127.9.9.9:1"}
	remotePeers = []string{"10.0.0.7:5000", "[2001:db8::1]:443", "169.254.1.1:1", "@", "", "localhost:80"}
	reads       = []string{"health", "health/redis", "ready", "stats", "explain?cache=c&key=k", "", "page.js", "live", "history", "stream", "top"}
	methods     = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"}
	proxied     = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"}
)

const confirmed = `{"cache":"c","confirm":"c"}`

// TestAuthorize_closed: without an authoriser peers of this machine may read, under its name and
// not through a proxy. Nobody may write.
func TestAuthorize_closed(t *testing.T) {
	h, b := handler(t, nil, nil)
	cache(t, b, "c")
	for _, peer := range append(remotePeers, localPeers...) {
		for _, host := range []string{"localhost", "127.0.0.1:8080", "[::1]:8080", "[::1]", "example.org", "localhost.example.org", "127.0.0.1.nip.io"} {
			for _, method := range methods {
				for _, p := range append([]string{"clear"}, reads...) {
					for _, forwarded := range append([]string{""}, proxied...) {
						q := request{peer: peer, host: host, method: method, path: "/x/" + p, header: map[string]string{"Content-Type": "application/json"}, body: confirmed}
						if forwarded != "" {
							q.header[forwarded] = "127.0.0.1"
						}
						local := strings.Contains(strings.Join(localPeers, " "), peer) && peer != "" && peer != "@"
						named := host == "localhost" || strings.HasPrefix(host, "127.0.0.1:") || strings.HasPrefix(host, "[::1]")
						read := method == "GET" || method == "HEAD"
						want := http.StatusForbidden
						switch {
						case !local || !named || forwarded != "":
						case p == "clear" && method == "POST": // View is not enough
						case p == "clear", !read:
							want = http.StatusMethodNotAllowed
						default:
							want = http.StatusOK
						}
						if w := q.send(h); w.Code != want {
							t.Fatalf("%+v: status %d, want %d: %s", q, w.Code, want, w.Body)
						}
					}
				}
			}
		}
	}
}

// TestAuthorize_roles is the table of role x method x header with an authoriser, for any peer.
func TestAuthorize_roles(t *testing.T) {
	o := &admin.Options{
		Challenge: `Basic realm="strata"`,
		Authorize: func(r *http.Request) (admin.Principal, error) {
			p := admin.Principal{Name: "someone"}
			switch r.Header.Get("Role") {
			case "view":
				p.Role = admin.View
			case "operate":
				p.Role = admin.Operate
			case "":
				return admin.Principal{Name: "ignored", Role: admin.Operate}, errors.New("secret reason")
			}
			return p, nil
		},
	}
	h, b := handler(t, nil, o)
	cache(t, b, "c")
	type headers map[string]string
	for _, c := range []struct {
		role, method, path string
		header             headers
		want               int
	}{
		{"", "GET", "stats", nil, 401},
		{"", "POST", "clear", nil, 401},
		{"", "GET", "nothing", nil, 401},
		{"none", "GET", "health", nil, 403},
		{"none", "POST", "clear", nil, 403},
		{"view", "GET", "stats", nil, 200},
		{"view", "GET", "stats", headers{"X-Forwarded-For": "1.2.3.4"}, 200},
		{"view", "HEAD", "stats", nil, 200},
		{"view", "POST", "stats", nil, 405},
		{"", "GET", "", nil, 401},
		{"none", "GET", "", nil, 403},
		{"view", "GET", "", nil, 200},
		{"view", "POST", "", nil, 405},
		{"", "GET", "stream", nil, 401},
		{"none", "GET", "stream", nil, 403},
		{"view", "GET", "stream", nil, 200},
		{"view", "POST", "stream", nil, 405},
		{"", "GET", "page.js", nil, 401},
		{"view", "GET", "page.css", nil, 200},
		{"view", "GET", "page.html", nil, 404},
		{"view", "GET", "nothing", nil, 404},
		{"view", "GET", "cache/redis", nil, 404},
		{"view", "POST", "clear", nil, 403},
		{"view", "GET", "clear", nil, 405},
		{"operate", "GET", "explain?key=c:k", nil, 200},
		{"operate", "GET", "clear", nil, 405},
		{"operate", "PUT", "clear", nil, 405},
		{"operate", "POST", "clear", nil, 200},
		{"operate", "POST", "clear", headers{"Content-Type": "application/json; charset=utf-8"}, 200},
		{"operate", "POST", "clear", headers{"Content-Type": "text/plain"}, 415},
		{"operate", "POST", "clear", headers{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		{"operate", "POST", "clear", headers{"Content-Type": "multipart/form-data; boundary=x"}, 415},
		{"operate", "POST", "clear", headers{"Content-Type": ""}, 415},
		{"operate", "POST", "clear", headers{"Sec-Fetch-Site": "same-origin"}, 200},
		{"operate", "POST", "clear", headers{"Sec-Fetch-Site": "none"}, 200},
		{"operate", "POST", "clear", headers{"Sec-Fetch-Site": "same-site"}, 403},
		{"operate", "POST", "clear", headers{"Sec-Fetch-Site": "cross-site"}, 403},
		{"operate", "POST", "clear", headers{"Origin": "https://admin.example.org"}, 200},
		{"operate", "POST", "clear", headers{"Origin": "https://evil.example"}, 403},
		{"operate", "POST", "clear", headers{"Origin": "null"}, 403},
	} {
		for _, peer := range append(remotePeers, localPeers...) {
			q := request{peer: peer, host: "admin.example.org", method: c.method, path: "/" + c.path, body: confirmed,
				header: map[string]string{"Role": c.role, "Content-Type": "application/json"}}
			for k, v := range c.header {
				q.header[k] = v
			}
			w := q.send(h)
			if w.Code != c.want {
				t.Errorf("%+v: status %d, want %d: %s", q, w.Code, c.want, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (c.want == 401) {
				t.Errorf("%+v: WWW-Authenticate %q", q, got)
			}
			if got := w.Header().Get("Allow"); (got != "") != (c.want == 405) {
				t.Errorf("%+v: Allow %q", q, got)
			}
			if strings.Contains(w.Body.String(), "secret reason") {
				t.Error("the error of Authorize was sent")
			}
		}
	}
}

// TestPublicHealth: every peer sees the status, and nothing else.
func TestPublicHealth(t *testing.T) {
	h, _ := handler(t, nil, &admin.Options{PublicHealth: true})
	for p, want := range map[string]int{"health": 200, "ready": 200, "stats": 403, "explain?key=c:k": 403, "clear": 403, "health/redis": 200} {
		w := request{peer: "10.0.0.7:1", host: "10.0.0.1", method: "GET", path: "/" + p}.send(h)
		if w.Code != want || strings.Contains(w.Body.String(), "parts") {
			t.Errorf("%s: %d %s, want %d", p, w.Code, w.Body, want)
		}
	}
	if w := (request{peer: "10.0.0.7:1", host: "10.0.0.1", method: "POST", path: "/health"}).send(h); w.Code != 405 {
		t.Errorf("POST health: %d", w.Code)
	}
}

// TestAudit: each request to change something is reported, also those that are refused.
func TestAudit(t *testing.T) {
	var events []admin.Event
	h, b := handler(t, nil, &admin.Options{
		Audit: func(_ context.Context, e admin.Event) { events = append(events, e) },
		Authorize: func(r *http.Request) (admin.Principal, error) {
			if r.Header.Get("User") == "" {
				return admin.Principal{}, errors.New("no user")
			}
			return admin.Principal{Name: r.Header.Get("User"), Role: admin.Operate}, nil
		},
	})
	cache(t, b, "c")
	send := func(user, body string) {
		request{peer: "10.0.0.7:1", host: "h", method: "POST", path: "/clear", body: body, header: map[string]string{"User": user, "Content-Type": "application/json"}}.send(h)
	}
	send("", confirmed)
	send("ann", `{"cache":"c","confirm":"d"}`)
	send("ann", confirmed)
	request{peer: "10.0.0.7:1", host: "h", method: "GET", path: "/stats", header: map[string]string{"User": "ann"}}.send(h)
	var got []string
	for _, e := range events {
		if e.Time.IsZero() || e.Peer != "10.0.0.7:1" || e.Action != "clear" || (e.Err == nil) != (e.Status == 200) {
			t.Errorf("%+v", e)
		}
		got = append(got, fmt.Sprintf("%s %q %d", e.Principal, e.Target, e.Status))
	}
	if want := `[ "" 401 ann "" 412 ann "cache c" 200]`; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestHeaders: every answer has the policy, also one that refuses.
func TestHeaders(t *testing.T) {
	h, _ := handler(t, nil, nil)
	for _, peer := range []string{"127.0.0.1:1", "10.0.0.1:1"} {
		w := request{peer: peer, host: "localhost", method: "GET", path: "/stats"}.send(h)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", w.Header())
		}
	}
}
