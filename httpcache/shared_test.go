package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/httpcache"
)

// fleet sends n requests at the same time, made by request, and returns the responses.
func fleet(h http.Handler, n int, request func(i int) *http.Request) []*httptest.ResponseRecorder {
	out := make([]*httptest.ResponseRecorder, n)
	var wg sync.WaitGroup
	for i := range n {
		out[i] = httptest.NewRecorder()
		wg.Go(func() { h.ServeHTTP(out[i], request(i)) })
	}
	wg.Wait()
	return out
}

// TestCoalescing: 1,000 clients of a URL that is not stored make one request to the handler if
// the response is storable, and one round of waiting if it is not.
func TestCoalescing(t *testing.T) {
	for _, c := range []struct {
		cc    string
		calls int64
		took  time.Duration
	}{
		{"max-age=60", 1, 3 * time.Second},
		{"private, max-age=60", 1000, 4 * time.Second}, // the header comes after a second, the body takes two
		{"no-store", 1000, 4 * time.Second},
		{"max-age=0", 1000, 4 * time.Second},
	} {
		t.Run(c.cc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil, httpcache.Route{})
				var calls atomic.Int64
				l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					time.Sleep(time.Second)
					w.Header().Set("Cache-Control", c.cc)
					io.WriteString(w, "for ")
					time.Sleep(2 * time.Second)
					io.WriteString(w, r.Header.Get("X-User"))
				}))
				began := time.Now()
				all := fleet(l.h, 1000, func(i int) *http.Request { return request(fmt.Sprintf("GET /a|X-User: %d", i)) })
				took := time.Since(began)
				own := 0
				for i, w := range all {
					if w.Body.String() == fmt.Sprintf("for %d", i) {
						own++
					}
				}
				if n := calls.Load(); n != c.calls || own != int(c.calls) || took != c.took {
					t.Errorf("%d calls of the handler, %d clients got their own answer, in %v; want %d, %d, %v", n, own, took, c.calls, c.calls, c.took)
				}
			})
		})
	}
}

// After a response that could not be stored, requests do not wait for each other, and the first
// one that can be stored is.
func TestCoalescing_pass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{})
		var cc atomic.Value
		cc.Store("private")
		var calls atomic.Int64
		l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", cc.Load().(string))
		}))
		took := func() time.Duration {
			began := time.Now()
			fleet(l.h, 10, func(int) *http.Request { return request("") })
			return time.Since(began)
		}
		if d := took(); d != 2*time.Second {
			t.Errorf("the first round took %v, want 2s", d)
		}
		if d := took(); d != time.Second {
			t.Errorf("the second round took %v, want 1s", d)
		}
		cc.Store("max-age=60")
		took()
		calls.Store(0)
		if took(); calls.Load() != 0 {
			t.Errorf("%d calls, want a hit", calls.Load())
		}
	})
}

// A request waits for MaxWait at most.
func TestCoalescing_maxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, &httpcache.Options{MaxWait: 2 * time.Second}, httpcache.Route{})
		var calls atomic.Int64
		l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := calls.Add(1)
			w.Header().Set("Cache-Control", "max-age=60")
			if n == 1 {
				time.Sleep(20 * time.Second)
			}
			fmt.Fprint(w, n)
		}))
		all := fleet(l.h, 2, func(int) *http.Request { return request("") })
		if a, b := all[0].Body.String(), all[1].Body.String(); a+b != "12" && a+b != "21" {
			t.Errorf("got %q and %q", a, b)
		}
		if _, body := l.do(request("")); body != "1" || calls.Load() != 2 {
			t.Errorf("stored: %q after %d calls", body, calls.Load())
		}
	})
}

// A client that leaves ends the handler if nobody waits, and does not end it if others do.
func TestClientLeaves(t *testing.T) {
	for _, waiters := range []int{0, 3} {
		t.Run(fmt.Sprint(waiters), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil, httpcache.Route{})
				var calls, ended atomic.Int64
				l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					w.Header().Set("Cache-Control", "max-age=60")
					io.WriteString(w, "half")
					select {
					case <-r.Context().Done():
						ended.Add(1)
						return
					case <-time.After(5 * time.Second):
					}
					io.WriteString(w, " whole")
				}))
				left, leave := context.WithCancel(ctx)
				done := make(chan struct{})
				go func() {
					l.h.ServeHTTP(httptest.NewRecorder(), request("").WithContext(left))
					close(done)
				}()
				synctest.Wait()
				go func() { time.Sleep(time.Second); leave() }()
				for _, w := range fleet(l.h, waiters, func(int) *http.Request { return request("") }) {
					if w.Body.String() != "half whole" {
						t.Errorf("a waiter got %q", w.Body)
					}
				}
				<-done
				synctest.Wait()
				if want := int64(min(waiters, 1)); ended.Load() != 1-want || calls.Load() != 1 {
					t.Errorf("%d calls, of which %d ended early", calls.Load(), ended.Load())
				}
				if _, body := l.do(request("")); body != "half whole" || calls.Load() != int64(2-min(waiters, 1)) {
					t.Errorf("then %q after %d calls", body, calls.Load())
				}
			})
		})
	}
}

// A waiter that leaves gets no answer and disturbs nobody.
func TestWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{})
		l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "whole")
		}))
		first := httptest.NewRecorder()
		go l.h.ServeHTTP(first, request(""))
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		l.h.ServeHTTP(w, request("").WithContext(short))
		if w.Code != http.StatusGatewayTimeout {
			t.Errorf("the waiter got %d", w.Code)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if first.Body.String() != "whole" {
			t.Errorf("the first got %q", first.Body)
		}
	})
}

// TestBodies: only whole bodies within the bound are stored, and every client gets all of its
// own.
func TestBodies(t *testing.T) {
	big := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		serve  http.HandlerFunc
		stored bool
		is     string
	}{
		{"whole", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc") }, true, "abc"},
		{"in pieces", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "bc")
		}, true, "abc"},
		{"by ReadFrom", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader("abc")) }, true, "abc"},
		{"empty", func(w http.ResponseWriter, r *http.Request) {}, true, ""},
		{"short of its length", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "abc")
		}, false, "abc"},
		{"over its length", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			if _, err := io.WriteString(w, "abc"); err == nil {
				panic("no error")
			}
		}, false, ""},
		{"too large", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, big[:900])
			io.WriteString(w, big[900:])
		}, false, big},
		{"declared too large", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, big)
		}, false, big},
		{"with trailers", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "abc")
		}, false, "abc"},
		{"aborted", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "abc")
			panic(http.ErrAbortHandler)
		}, false, "abc"},
	} {
		for _, req := range []string{"GET /a", `GET /a|If-None-Match: "x"`} {
			t.Run(c.name+" "+req, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, &httpcache.Options{MaxBody: 1000}, httpcache.Route{})
					calls := 0
					l.h = l.cache.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						calls++
						w.Header().Set("Cache-Control", "max-age=60")
						c.serve(w, r)
					}))
					res, body := l.do(request(req))
					if body != c.is && !(c.name == "aborted" && strings.Contains(req, "If-None")) {
						t.Errorf("got %d bytes, %d: %.50q", len(body), res.StatusCode, body)
					}
					if l.do(request(req)); (calls == 1) != c.stored {
						t.Errorf("%d calls after two requests, stored: want %v", calls, c.stored)
					}
				})
			})
		}
	}
}
