package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/load"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/examples/marketplace/web"
	"github.com/lokroom/strata/internal/dbtest"
	"github.com/lokroom/strata/internal/redistest"
)

// small returns settings with few listings and generous limits, on a new SQLite file.
func small(t *testing.T) settings {
	return settings{
		cache:    &strata.Config{NotFound: []error{sql.ErrNoRows}},
		file:     filepath.Join(t.TempDir(), "db"),
		listings: 500,
		web:      web.Options{Limits: web.Limits{Reads: 100_000, Writes: 100_000}, AdminToken: "secret"},
	}
}

// A process is a service that runs in the test.
type process struct {
	url   string
	stop  context.CancelFunc
	ended chan error
}

// start starts a service. It ends with the test, if not before.
func start(t *testing.T, s settings) *process {
	t.Helper()
	a, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{"http://" + l.Addr().String(), cancel, make(chan error, 1)}
	go func() {
		p.ended <- a.serve(ctx, l)
		close(p.ended)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-p.ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	redistest.WaitFor(t, "the service to be ready", func() bool { return p.status("GET", "/readyz") == http.StatusNoContent })
	return p
}

// do sends a request; body is sent as JSON unless it is nil.
func (p *process) do(method, path string, body any, header ...string) (*http.Response, string, error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, "", err
		}
	}
	r, err := http.NewRequest(method, p.url+path, &content)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func (p *process) status(method, path string) int {
	resp, _, err := p.do(method, path, nil)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

// call fails the test unless the answer has a status. It decodes the answer into v.
func (p *process) call(t *testing.T, method, path string, body any, want int, v any) http.Header {
	t.Helper()
	resp, text, err := p.do(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %s, want %d\n%s", method, path, resp.Status, want, text)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatalf("%s %s: %v\n%s", method, path, err, text)
		}
	}
	return resp.Header
}

// shows waits until a GET contains text; another process may take a few milliseconds.
func (p *process) shows(t *testing.T, path, text string) {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprintf("%s to show %q", path, text), func() bool {
		_, got, err := p.do("GET", path, nil)
		return err == nil && strings.Contains(got, text)
	})
}

// TestService: what is written through one process is seen through the other one.
func TestService(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		p := start(t, small(t))
		tour(t, p, p)
	})
	t.Run("PostgreSQL and Redis", func(t *testing.T) {
		s := small(t)
		s.databaseURL = dbtest.StartPostgreSQL(t).DSN
		s.cache.RedisURL = redistest.Start(t, nil).URL()
		tour(t, start(t, s), start(t, s))
	})
}

func tour(t *testing.T, a, b *process) {
	t.Run("listings", func(t *testing.T) { testListings(t, a, b) })
	t.Run("people", func(t *testing.T) { testPeople(t, a, b) })
	t.Run("pages", func(t *testing.T) { testPages(t, a, b) })
	t.Run("admin", func(t *testing.T) { testAdmin(t, a) })
	t.Run("load", func(t *testing.T) { testLoad(t, a, b) })
}

func testListings(t *testing.T, a, b *process) {
	var l source.Listing
	for _, p := range []*process{a, b} {
		h := p.call(t, "GET", "/api/listings/1", nil, 200, &l)
		if h.Get("X-Tier") == "source" || h.Get("X-Source-Reads") != "0" {
			t.Errorf("after the warm-up, a listing is not cached: %v", h)
		}
		if cc := h.Get("Cache-Control"); !strings.Contains(cc, "s-maxage=60") {
			t.Errorf("Cache-Control is %q", cc)
		}
		resp, _, err := p.do("GET", "/api/listings/1", nil, "If-None-Match", h.Get("ETag"))
		if err != nil || resp.StatusCode != http.StatusNotModified {
			t.Errorf("with the ETag: %v, %v", resp, err)
		}
	}
	before := l.Revision
	l.Price, l.City = 4321, "Utrecht"
	a.call(t, "GET", "/api/search?city=Utrecht", nil, 200, nil) // nothing is there, which is cached
	b.call(t, "GET", "/api/search?city=Utrecht", nil, 200, nil)
	a.call(t, "PUT", "/api/listings/1", l, 200, &l)
	if l.Revision != before+1 {
		t.Errorf("the revision is %d after %d", l.Revision, before)
	}
	var now source.Listing
	a.call(t, "GET", "/api/listings/1", nil, 200, &now)
	if now.Price != 4321 {
		t.Errorf("the process that has written shows %+v", now)
	}
	for _, path := range []string{"/api/listings/1", "/api/search?city=Utrecht", "/api/search?city=Utrecht&q=" + strings.Fields(l.Title)[1]} {
		b.shows(t, path, `"price":4321`)
	}
	var added source.Listing
	a.call(t, "POST", "/api/listings", source.Listing{Host: 2, City: "Utrecht", Title: "New loft", Price: 77}, 201, &added)
	b.shows(t, "/api/search?city=Utrecht", "New loft")
	a.call(t, "DELETE", fmt.Sprintf("/api/listings/%d", added.ID), nil, 204, nil)
	redistest.WaitFor(t, "the listing to be gone", func() bool {
		return b.status("GET", fmt.Sprintf("/api/listings/%d", added.ID)) == 404
	})
	a.call(t, "PUT", "/api/amenities/moat", "Moat", 204, nil)
	b.shows(t, "/api/amenities", `"moat":"Moat"`)
	for path, want := range map[string]int{"/api/listings/999999": 404, "/api/listings/x": 404, "/api/search?page=-1": 400, "/api/search?page=1001": 400} {
		a.call(t, "GET", path, nil, want, nil)
	}
	a.call(t, "PUT", "/api/listings/1", source.Listing{City: "Utrecht"}, 400, nil)
	a.call(t, "PUT", "/api/listings/999999", l, 404, nil)
}

func testPeople(t *testing.T, a, b *process) {
	var u source.User
	b.call(t, "GET", "/api/users?email=user7@example.com", nil, 200, &u)
	b.call(t, "GET", "/api/users?email=seven@example.com", nil, 404, nil)
	u.Email = "seven@example.com"
	a.call(t, "PUT", "/api/users/7", u, 200, nil)
	b.shows(t, "/api/users?email=seven@example.com", `"id":7`)
	b.shows(t, "/api/users/7", "seven@example.com")
	redistest.WaitFor(t, "the old address to be gone", func() bool { return b.status("GET", "/api/users?email=user7@example.com") == 404 })
	u.Email = "user8@example.com"
	a.call(t, "PUT", "/api/users/7", u, 409, nil)

	var reviews struct{ Stats source.ReviewStats }
	b.call(t, "GET", "/api/listings/2/reviews", nil, 200, &reviews)
	a.call(t, "POST", "/api/listings/2/reviews", source.Review{User: 7, Stars: 5, Text: "quiet"}, 201, nil)
	b.shows(t, "/api/listings/2/reviews", fmt.Sprintf(`"count":%d`, reviews.Stats.Count+1))
	b.shows(t, "/api/listings/2/reviews", "quiet")
	a.call(t, "POST", "/api/listings/2/reviews", source.Review{User: 7, Stars: 6, Text: "quiet"}, 400, nil)

	want := source.Booking{Listing: 2, User: 7, FirstNight: "2040-12-24", Nights: 3}
	b.call(t, "GET", "/api/bookings?user=7", nil, 200, nil)
	a.call(t, "POST", "/api/bookings", want, 201, &want)
	b.shows(t, "/api/bookings?user=7", "2040-12-24")
	b.shows(t, "/api/bookings", "2040-12-24")
	b.call(t, "POST", "/api/bookings", source.Booking{Listing: 2, User: 8, FirstNight: "2040-12-26", Nights: 1}, 409, nil)
	b.call(t, "POST", "/api/bookings", source.Booking{Listing: 2, User: 8, FirstNight: "soon", Nights: 1}, 400, nil)
	b.call(t, "DELETE", fmt.Sprintf("/api/bookings/%d", want.ID), nil, 204, nil)
	redistest.WaitFor(t, "the booking to be gone", func() bool {
		_, text, err := a.do("GET", "/api/bookings?user=7", nil)
		return err == nil && !strings.Contains(text, "2040-12-24")
	})
	a.call(t, "POST", "/api/bookings", source.Booking{Listing: 2, User: 8, FirstNight: "2040-12-26", Nights: 1}, 201, nil)
}

// testLoad: under load nothing fails, and the process that has written never shows an old value.
func testLoad(t *testing.T, a, b *process) {
	g := &load.Generator{Targets: []string{a.url, b.url}, Rate: 200, Listings: 500, Clients: 100}
	r, err := g.Run(t.Context(), time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	reads, writes := r.Total(false), r.Total(true)
	if reads.Errors+writes.Errors > 0 || reads.Requests+writes.Requests != 200 || writes.Requests == 0 || reads.Hits == 0 {
		t.Errorf("reads %+v, writes %+v, %s", reads, writes, r.FirstErr)
	}
	if a == b && reads.Stale > 0 {
		t.Errorf("%d answers were stale, for up to %v", reads.Stale, reads.Oldest)
	}
}
