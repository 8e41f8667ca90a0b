package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/internal/redistest"
)

// serve starts a server of h. Close of the handler comes first, so that streams end.
func serve(t *testing.T, h *admin.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return server
}

// A stream is a client of the stream.
type stream struct {
	answer *http.Response
	lines  *bufio.Reader
}

func connect(t *testing.T, ctx context.Context, url string) *stream {
	t.Helper()
	q, err := http.NewRequestWithContext(ctx, "GET", url+"/x/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return &stream{a, bufio.NewReader(a.Body)}
}

// next reads an event.
func (s *stream) next() (seq float64, err error) {
	line, err := s.lines.ReadString('\n')
	if err != nil {
		return 0, err
	}
	data, ok := strings.CutPrefix(line, "data: ")
	var event struct {
		Seq    float64        `json:"seq"`
		Health map[string]any `json:"health"`
		All    []float64      `json:"all"`
	}
	if err := json.Unmarshal([]byte(data), &event); err != nil || !ok || event.Health["status"] == "" || len(event.All) == 0 {
		return 0, fmt.Errorf("the event %q: %v", line, err)
	}
	if blank, err := s.lines.ReadString('\n'); blank != "\n" {
		return 0, fmt.Errorf("after an event: %q, %v", blank, err)
	}
	return event.Seq, nil
}

// TestStream: each event is that of a later step, and Close ends the stream.
func TestStream(t *testing.T) {
	h, _ := handler(t, nil, nil)
	server := serve(t, h)
	s := connect(t, t.Context(), server.URL)
	if got := s.answer.Header.Get("Content-Type"); s.answer.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("%d %q", s.answer.StatusCode, got)
	}
	last := -1.0
	for range 3 {
		seq, err := s.next()
		if err != nil || seq <= last {
			t.Fatalf("step %v after %v: %v", seq, last, err)
		}
		last = seq
	}
	h.Close()
	h.Close()
	for {
		if _, err := s.next(); err != nil {
			break
		}
	}
	if a := connect(t, t.Context(), server.URL).answer; a.StatusCode != 503 {
		t.Errorf("after Close: %d", a.StatusCode)
	}
	answer(t, h, request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: "/stats"}, 200)
}

// TestStream_bound: the client after the 32nd gets a 503 that says why, until one goes away.
func TestStream_bound(t *testing.T) {
	h, _ := handler(t, nil, nil)
	server := serve(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	connect(t, ctx, server.URL)
	for range 31 {
		if a := connect(t, t.Context(), server.URL).answer; a.StatusCode != 200 {
			t.Fatal(a.Status)
		}
	}
	w := request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: "/stream"}.send(h)
	if w.Code != 503 || !strings.Contains(w.Body.String(), "32 clients") || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	cancel()
	redistest.WaitFor(t, "room for another", func() bool { return connect(t, t.Context(), server.URL).answer.StatusCode == 200 })
}

// TestStream_clients: clients that read, that do not read, and that vanish, while steps and
// requests go on. Their goroutines end: see TestMain.
func TestStream_clients(t *testing.T) {
	h, b := handler(t, nil, nil)
	c := cache(t, b, "users")
	server := serve(t, h)
	for range 5 { // never read
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	var clients sync.WaitGroup
	for i := range 10 {
		s := connect(t, t.Context(), server.URL)
		clients.Go(func() {
			for range 1 + i%3 {
				if _, err := s.next(); err != nil {
					t.Error(err)
				}
				get(t, h, "/live", 200)
				get(t, h, "/history?step=1&cache=users", 200)
				if _, err := c.Get(t.Context(), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
			s.answer.Body.Close() // vanishes
		})
	}
	clients.Wait()
	s := connect(t, t.Context(), server.URL)
	for range 2 {
		if _, err := s.next(); err != nil {
			t.Error(err)
		}
	}
}

// A stalled writer does not accept an event before its deadline.
type stalled struct {
	*httptest.ResponseRecorder
	deadline time.Time
	writes   int
}

func (w *stalled) SetWriteDeadline(at time.Time) error {
	w.deadline = at
	return nil
}

func (w *stalled) Write(b []byte) (int, error) {
	if w.writes++; w.writes <= 3 { // the first event
		return w.ResponseRecorder.Write(b)
	}
	time.Sleep(time.Until(w.deadline))
	return 0, context.DeadlineExceeded
}

// TestStream_stalled: a client that does not read ends at its deadline.
func TestStream_stalled(t *testing.T) {
	h, _ := handler(t, nil, nil)
	defer h.Close()
	r := httptest.NewRequest("GET", "http://localhost/stream", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := &stalled{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, r) // returns
	if w.deadline.IsZero() {
		t.Error("there was no deadline")
	}
}

// TestStream_memory measures what a thousand steps leave behind, with a client of the stream: the
// rings were full before.
func TestStream_memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, name := range []string{"users", "orders"} {
			cache(t, b, name)
		}
		h, err := admin.New(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := &counted{header: make(http.Header)}
		var streams sync.WaitGroup
		streams.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/stream", nil)
			r.RemoteAddr = "127.0.0.1:1"
			h.ServeHTTP(w, r)
		})
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		empty := heap()
		time.Sleep(4000 * time.Second)
		full, events := heap(), w.events.Load()
		time.Sleep(1000 * time.Second)
		left := heap() - full
		t.Logf("an hour of two caches takes %d KB; 1,000 more steps leave %d KB and send %d events of %d bytes", (full-empty)>>10, left>>10, w.events.Load()-events, w.bytes.Load()/max(w.events.Load(), 1))
		if left > 64<<10 {
			t.Errorf("1,000 steps leave %d bytes", left)
		}
		cancel()
		h.Close()
		streams.Wait()
		if n := w.events.Load(); n < 5000 {
			t.Errorf("%d events", n)
		}
	})
}

// A counted is an http.ResponseWriter that counts events.
type counted struct {
	header        http.Header
	events, bytes atomic.Int64
}

func (w *counted) Header() http.Header { return w.header }
func (w *counted) WriteHeader(int)     {}
func (w *counted) Flush()              { w.events.Add(1) }

func (w *counted) Write(b []byte) (int, error) {
	w.bytes.Add(int64(len(b)))
	return len(b), nil
}
