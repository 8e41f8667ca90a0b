package httpcache_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// TestStream: what a handler flushes reaches the client at once, and what it hijacks is its own.
func TestStream(t *testing.T) {
	l := newLab(t, nil, httpcache.Route{})
	next := make(chan string)
	s := httptest.NewServer(l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			rc := http.NewResponseController(w)
			if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			if err := rc.Flush(); err != nil {
				t.Error(err)
			}
			for line := range next {
				io.WriteString(w, line)
				if err := rc.Flush(); err != nil {
					t.Error(err)
				}
			}
		case "/raw":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=60\r\n\r\nmine")
			conn.Close()
		case "/hints":
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "after the hints")
		}
	})))
	defer s.Close()
	res, err := http.Get(s.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one", "two"} { // each is read before the next is written
		next <- line
		b := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != line {
			t.Errorf("got %q, %v", b, err)
		}
	}
	close(next)
	res.Body.Close()
	for path, want := range map[string]string{"/raw": "mine", "/hints": "after the hints"} {
		for range 2 {
			res, err := http.Get(s.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !bytes.Equal(b, []byte(want)) || res.Header.Get("Link") != "" {
				t.Errorf("%s: got %q, %v", path, b, res.Header)
			}
		}
	}
}

// What a handler does to its request, or to its header after it was written, does not change
// what is stored. Trailers reach the client, and are not stored.
func TestHandlerChanges(t *testing.T) {
	l := newLab(t, nil, httpcache.Route{})
	calls := 0
	s := httptest.NewServer(l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		h := w.Header()
		h.Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/private" {
			io.WriteString(w, r.Header.Get("Authorization"))
			r.Header.Del("Authorization")
			r.URL.Path = "/"
			return
		}
		if r.URL.Path == "/declared" {
			h.Set("Trailer", "X-Sum")
		}
		io.WriteString(w, "body")
		switch r.URL.Path {
		case "/late":
			h.Set("X-Late", "1")
		case "/declared":
			h.Set("X-Sum", "1")
		case "/trailers":
			h.Set(http.TrailerPrefix+"X-Sum", "1")
		}
	})))
	defer s.Close()
	get := func(path, auth string) (*http.Response, string) {
		req, err := http.NewRequest("GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", `"none"`) // also where the client is answered from the copy
		if auth != "" {
			req.Header = http.Header{"Authorization": {auth}}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		return res, string(b)
	}
	get("/private", "secret")
	if _, body := get("/private", ""); body != "" {
		t.Errorf("an anonymous client got %q", body)
	}
	for path, want := range map[string]int{"/late": 1, "/declared": 2, "/trailers": 2} {
		calls = 0
		get(path, "")
		res, body := get(path, "")
		if body != "body" || calls != want || res.Header.Get("X-Late") != "" {
			t.Errorf("%s: %q after %d calls, want %d; %v", path, body, calls, want, res.Header)
		}
		if path != "/late" && path != "/trailers" && res.Trailer.Get("X-Sum") != "1" {
			t.Errorf("%s: trailers %v", path, res.Trailer)
		}
	}
}
