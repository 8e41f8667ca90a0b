package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

func newDatabase() *database {
	return &database{rows: map[int64]Listing{1: {ID: 1, Title: "Loft by the canal", Price: 120}}}
}

// start runs a service and returns its URL. The service ends with the test.
func start(t *testing.T, c *strata.Config, db *database) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, l, c, db) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	return fmt.Sprint("http://", l.Addr())
}

// request returns the status, the tier and the body of a response.
func request(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintln(a.StatusCode, a.Header.Get("X-Tier"), strings.TrimSpace(string(b))))
}

const (
	before = `{"id":1,"title":"Loft by the canal","price":120}`
	after  = `{"id":1,"title":"Loft by the canal","price":99}`
)

// The session of docs/tutorial.md, with memory alone.
func TestService_memory(t *testing.T) {
	db := newDatabase()
	url := start(t, &strata.Config{}, db)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/listings/1", "", "200 source " + before},
		{"GET", "/listings/1", "", "200 L1 " + before},
		{"PUT", "/listings/1", `{"title":"Loft by the canal","price":99}`, "204"},
		{"GET", "/listings/1", "", "200 source " + after},
		{"GET", "/listings/7", "", "404  no such listing"},
		{"GET", "/listings/7", "", "404  no such listing"},
		{"PUT", "/listings/x", "{}", `400  strconv.ParseInt: parsing "x": invalid syntax`},
	} {
		if got := request(t, c.method, url+c.path, c.body); got != c.want {
			t.Errorf("%s %s: %s; want %s", c.method, c.path, got, c.want)
		}
	}
	if db.reads != 3 { // absence is cached, too
		t.Errorf("%d reads of the database, want 3", db.reads)
	}
	if got := request(t, "GET", url+"/health", ""); !strings.HasPrefix(got, "200  {") {
		t.Error(got)
	}
}

// Two services share a real Redis: a change by one reaches the other.
func TestService_redis(t *testing.T) {
	c := &strata.Config{RedisURL: "redis://" + redistest.Start(t, nil).Addr()}
	db := newDatabase()
	one, two := start(t, c, db), start(t, c, db)
	for _, s := range []struct{ url, want string }{
		{one, "200 source " + before}, {two, "200 L2 " + before}, {two, "200 L1 " + before},
	} {
		if got := request(t, "GET", s.url+"/listings/1", ""); got != s.want {
			t.Errorf("%s; want %s", got, s.want)
		}
	}
	request(t, "PUT", one+"/listings/1", after)
	redistest.WaitFor(t, "the change in the other service", func() bool {
		return strings.HasSuffix(request(t, "GET", two+"/listings/1", ""), after)
	})
}

// The tutorial shows the whole program, which is as short as the tutorial says.
func TestService_tutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/tutorial.md does not show main.go")
	}
	if n := strings.Count(string(program), "\n"); n > 150 {
		t.Errorf("the program has %d lines", n)
	}
}
