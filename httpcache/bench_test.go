package httpcache_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/httpcache"
)

var measure = flag.Bool("measure", false, "run TestSpeed")

var page = strings.Repeat("0123456789abcdef", 128) // 2 KiB

func pageHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Cache-Control"], h["Etag"], h["Content-Type"] = []string{"max-age=3600"}, []string{`"v1"`}, []string{"text/html"}
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h["Content-Length"] = []string{"2048"}
		io.WriteString(w, page)
	})
}

func benchCache(b testing.TB) *httpcache.Cache {
	s, err := strata.Open(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	c, err := httpcache.New(s, "bench", nil)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkHit is a hit without a network.
func BenchmarkHit(b *testing.B) {
	h := benchCache(b).Middleware(pageHandler())
	h.ServeHTTP(httptest.NewRecorder(), request("GET /a?b=1"))
	r := request("GET /a?b=1")
	w := &discard{h: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header               { return d.h }
func (d *discard) WriteHeader(int)                   {}
func (d *discard) Write(b []byte) (int, error)       { return len(b), nil }
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }

// TestSpeed prints requests a second through the cache, over those of the handler alone, which
// writes the same body: over loopback, in turns in one process. It asserts nothing.
func TestSpeed(t *testing.T) {
	if !*measure {
		return
	}
	bare := httptest.NewServer(pageHandler())
	defer bare.Close()
	cached := httptest.NewServer(benchCache(t).Middleware(pageHandler()))
	defer cached.Close()
	for _, conns := range []int{1, 64} {
		for _, condition := range []string{"", "If-None-Match: \"v1\"\r\n"} {
			var ratios, rates []float64
			for range 9 {
				without, _ := load(t, bare.Listener.Addr().String(), conns, condition)
				with, p99 := load(t, cached.Listener.Addr().String(), conns, condition)
				ratios, rates = append(ratios, with/without), append(rates, with)
				_ = p99
			}
			slices.Sort(ratios)
			slices.Sort(rates)
			t.Logf("%d connections, %q: %.2f of the bare handler (%.2f to %.2f), %.0f requests a second", conns, condition, ratios[4], ratios[0], ratios[8], rates[4])
		}
	}
}

// load sends requests on conns connections for half a second.
func load(t *testing.T, addr string, conns int, condition string) (perSecond float64, p99 time.Duration) {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	began := time.Now()
	for range conns {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			req := fmt.Sprintf("GET /a HTTP/1.1\r\nHost: x.test\r\n%s\r\n", condition)
			var took []time.Duration
			for time.Since(began) < 500*time.Millisecond {
				sent := time.Now()
				io.WriteString(conn, req)
				if err := readResponse(in); err != nil {
					t.Error(err)
					return
				}
				took = append(took, time.Since(sent))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(all)
	return float64(len(all)) / time.Since(began).Seconds(), all[len(all)*99/100]
}

func readResponse(in *bufio.Reader) error {
	n := 0
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case len(line) <= 2:
			_, err := in.Discard(n)
			return err
		case len(line) > 15 && strings.EqualFold(string(line[:15]), "content-length:"):
			fmt.Sscan(string(line[15:]), &n)
		}
	}
}

// TestMemory: an entry takes its body and at most 400 bytes more. docs/httpcache.md says which.
func TestMemory(t *testing.T) {
	const n = 8000
	c := benchCache(t)
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = []string{"max-age=3600"}
		io.WriteString(w, page)
	}))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // empties pools
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	w := &discard{h: make(http.Header)}
	h.ServeHTTP(w, request("GET /warm"))
	before := heap()
	for i := range n {
		clear(w.h)
		h.ServeHTTP(w, request(fmt.Sprintf("GET /listings/%d", i)))
	}
	each := int(heap()-before)/n - len(page)
	runtime.KeepAlive(c)
	t.Logf("%d bytes beside the body", each)
	if each > 400 {
		t.Errorf("an entry takes %d bytes beside its body, want 400 at most", each)
	}
}
