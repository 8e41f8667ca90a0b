package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/httpcache"
)

var ctx = context.Background()

// A call is a request, what the handler answers if it is called, and what must come of it. Header
// lines are separated by "|".
type call struct {
	after time.Duration // to wait before
	req   string        // "GET /a|Name: value"; "" is "GET /a"
	res   string        // "200|Name: value"; "" is the one of the call before
	body  string        // of the handler; "" is a new one for each call
	want  string        // see outcome
	has   string        // header lines of the response
	lacks string        // names of fields that the response must not have
	is    string        // the body of the response; "" is not checked, "-" is empty
}

// The outcomes of a call:
//
//	H    the handler was not called
//	M    it was called
//	R    it was asked conditionally and said 304
//	C    it was asked conditionally and sent another response
//	S    the client got a stored response, and the handler was called in the background
//	E    the client got a stored response because the handler failed
//	304  and other numbers: as H, with this status; "M 304" for a called handler
type lab struct {
	t     *testing.T
	cache *httpcache.Cache
	h     http.Handler

	mu        sync.Mutex
	res, body string
	asked     []*http.Request
	said      []int
}

func newLab(t *testing.T, o *httpcache.Options, rt httpcache.Route) *lab {
	t.Helper()
	b, err := strata.Open(ctx, &strata.Config{Memory: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c, err := httpcache.New(b, "lab", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &lab{t: t, cache: c}
	l.h = c.Route(rt)(http.HandlerFunc(l.serve))
	return l
}

// serve answers as the script says, and 304 to a matching If-None-Match or If-Modified-Since.
func (l *lab) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r)
	res, body := l.res, l.body
	if body == "" {
		body = fmt.Sprintf("body %d", len(l.asked))
	}
	l.mu.Unlock()
	lines := strings.Split(res, "|")
	status := 200
	if n, err := strconv.Atoi(lines[0]); err == nil {
		status = n
	}
	addLines(w.Header(), lines[1:])
	if status == 0 { // the connection to the origin was lost
		l.said = append(l.said, 0)
		panic(http.ErrAbortHandler)
	}
	etag := w.Header().Get("Etag")
	since := r.Header.Get("If-Modified-Since")
	if etag != "" && r.Header.Get("If-None-Match") == etag ||
		etag == "" && since != "" && since == w.Header().Get("Last-Modified") {
		status, body = 304, ""
	}
	l.mu.Lock()
	l.said = append(l.said, status)
	l.mu.Unlock()
	w.WriteHeader(status)
	if status != 204 && status != 304 && r.Method != "HEAD" {
		io.WriteString(w, body)
	}
}

func addLines(h http.Header, lines []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		h[name] = append(h[name], strings.ReplaceAll(strings.TrimSpace(value), "NOW", time.Now().UTC().Format(http.TimeFormat)))
	}
}

func request(s string) *http.Request {
	if s == "" {
		s = "GET /a"
	}
	lines := strings.Split(s, "|")
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, nil)
	addLines(r.Header, lines[1:])
	if body := r.Header.Get("Body"); method == "QUERY" { // no field: the content
		r.Header.Del("Body")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return r
}

func (l *lab) do(r *http.Request) (*http.Response, string) {
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p == http.ErrAbortHandler {
				w.Code = 502
			} else if p != nil {
				panic(p)
			}
		}()
		l.h.ServeHTTP(w, r)
	}()
	synctest.Wait()
	res := w.Result()
	res.StatusCode = w.Code
	b, _ := io.ReadAll(res.Body)
	return res, string(b)
}

// run makes a call and checks what comes of it.
func (l *lab) run(i int, c call) {
	l.t.Helper()
	time.Sleep(c.after)
	l.mu.Lock()
	if c.res != "" {
		l.res = c.res
	}
	l.body = c.body
	l.asked, l.said = nil, nil
	l.mu.Unlock()
	res, body := l.do(request(c.req))
	if got := l.outcome(res); got != c.want {
		l.t.Errorf("call %d: %s, want %s (%d, %v)", i+1, got, c.want, res.StatusCode, res.Header)
	}
	for _, line := range strings.Split(c.has, "|") {
		name, value, _ := strings.Cut(line, ": ")
		if got := strings.Join(res.Header.Values(name), " // "); line != "" && got != value {
			l.t.Errorf("call %d: %s is %q, want %q", i+1, name, got, value)
		}
	}
	for _, name := range strings.Split(c.lacks, "|") {
		if name != "" && res.Header[name] != nil {
			l.t.Errorf("call %d: has %s: %q", i+1, name, res.Header[name])
		}
	}
	if c.is != "" && strings.TrimPrefix(c.is, "-") != body {
		l.t.Errorf("call %d: body %q, want %q", i+1, body, strings.TrimPrefix(c.is, "-"))
	}
}

func (l *lab) outcome(res *http.Response) string {
	status := res.Header.Get("Cache-Status")
	hit := strings.HasPrefix(status, "lab; hit")
	way := "H"
	if len(l.asked) > 0 {
		last := len(l.asked) - 1
		said := l.said[last]
		conditional := l.asked[last].Header.Get("If-None-Match") != "" || l.asked[last].Header.Get("If-Modified-Since") != ""
		switch {
		case hit:
			way = "S"
		case (said == 0 || said >= 500) && res.StatusCode < 500:
			way = "E"
		case conditional && said == 304:
			way = "R"
		case conditional:
			way = "C"
		default:
			way = "M"
		}
		if res.StatusCode == said {
			return way
		}
	}
	switch {
	case res.StatusCode == 200:
		return way
	case way == "H":
		return strconv.Itoa(res.StatusCode)
	}
	return way + " " + strconv.Itoa(res.StatusCode)
}

// A scenario is a list of calls.
type scenario struct {
	name  string
	opts  *httpcache.Options
	rt    httpcache.Route
	calls []call
}

func runScenarios(t *testing.T, all []scenario) {
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, s.opts, s.rt)
				for i, c := range s.calls {
					l.run(i, c)
				}
			})
		})
	}
}

func split(lines string) []string { return strings.Split(lines, "|") }
