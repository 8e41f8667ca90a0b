package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/internal/redistest"
)

// TestDeploy builds both releases.
func TestDeploy(t *testing.T) {
	d := &demo{listings: 300, rate: 100, duration: 2 * time.Second, dir: t.TempDir()}
	if err := d.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("load", d.testLoad)
	t.Run("writes", d.testWrites)
}

// testLoad: while the next release replaces this one, no request fails, and no process reads what
// the other release has written.
func (d *demo) testLoad(t *testing.T) {
	redis := redistest.Start(t, nil)
	parts, err := d.deploy(t.Context(), redis.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		reads, writes := p.report.Total(false), p.report.Total(true)
		if reads.Hits == 0 || writes.Requests == 0 || reads.Errors+writes.Errors > 0 || p.report.Unreadable > 0 {
			t.Errorf("%s: %d hits, %d writes, %d errors, %d values could not be decoded; %s",
				p.name, reads.Hits, writes.Requests, reads.Errors+writes.Errors, p.report.Unreadable, p.report.FirstErr)
		}
	}
	if prefixes := listingPrefixes(t, redis); len(prefixes) != 2 {
		t.Errorf("listings have the prefixes %v, want one for each release", prefixes)
	}
	var table strings.Builder
	printParts(&table, "a deploy", parts)
	if n := strings.Count(table.String(), " release | "); n != 3 {
		t.Errorf("the table has %d parts:\n%s", n, &table)
	}
}

// listingPrefixes returns what precedes the ids in the keys of listings.
func listingPrefixes(t *testing.T, redis *redistest.Server) map[string]bool {
	t.Helper()
	reply, err := redis.Do("KEYS", "strata:listing:*")
	if err != nil {
		t.Fatal(err)
	}
	prefixes := make(map[string]bool)
	for _, key := range reply.([]any) {
		text := fmt.Sprintf("%s", key)
		prefixes[text[:strings.LastIndex(text, ":")]] = true
	}
	return prefixes
}

// testWrites: a process of each release shows what the other one has written.
func (d *demo) testWrites(t *testing.T) {
	redis := redistest.Start(t, nil)
	var ps []*process
	for _, release := range []string{"this", "next"} {
		p, err := d.startService(t.Context(), release, []string{"REDIS_URL=" + redis.URL()}, "-reads", "1000000")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		})
		ps = append(ps, p)
	}
	for i, p := range ps {
		l := listing(t, p)
		listing(t, ps[1-i]) // both have it
		l.Price = source.Euros(4000 + i)
		save(t, p, l)
		for _, reader := range ps {
			redistest.WaitFor(t, "the new price in each release", func() bool { return listing(t, reader).Price == l.Price })
		}
	}
}

func listing(t *testing.T, p *process) (l source.Listing) {
	t.Helper()
	call(t, "GET", p.url+"/api/listings/1", nil, &l)
	return l
}

func save(t *testing.T, p *process, l source.Listing) {
	t.Helper()
	body, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	call(t, "PUT", p.url+"/api/listings/1", bytes.NewReader(body), &l)
}

func call(t *testing.T, method, url string, body io.Reader, v any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
}
