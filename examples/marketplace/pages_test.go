package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lokroom/strata/examples/marketplace/source"
)

func testPages(t *testing.T, a, b *process) {
	for path, text := range map[string]string{"/": "a night", "/?city=Paris": "Paris", "/listings/3": "hosted by", "/bookings": "First night"} {
		a.shows(t, path, text)
	}
	testPageCache(t, a, b)
	resp, err := http.PostForm(a.url+"/listings/3/price", map[string][]string{"price": {"987"}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(page), "€ 987 a night") {
		t.Errorf("after the form: %s, %v", resp.Status, err)
	}
	b.shows(t, "/listings/3", "€ 987 a night")
	resp, _, err = a.do("POST", "/listings/3/price", nil, "Sec-Fetch-Site", "cross-site")
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %v, %v", resp, err)
	}
}

// testPageCache: a page is kept, and a listing that is new shows on it at once.
func testPageCache(t *testing.T, a, b *process) {
	b.call(t, "GET", "/?city=Ghent", nil, 200, nil)
	h := b.call(t, "GET", "/?city=Ghent", nil, 200, nil)
	if got := h.Get("Cache-Status"); !strings.Contains(got, "hit") || h.Get("X-Source-Reads") != "0" {
		t.Errorf("the second request for a page: %v", h)
	}
	if len(h.Values("X-Source-Reads")) != 1 || len(h.Values("RateLimit")) != 1 {
		t.Errorf("the header of a cached page is %v", h)
	}
	a.call(t, "POST", "/api/listings", source.Listing{Host: 2, City: "Ghent", Title: "Belfry", Price: 77}, 201, nil)
	b.shows(t, "/?city=Ghent", "Belfry")
}

func testAdmin(t *testing.T, p *process) {
	p.call(t, "GET", "/api/health/redis", nil, 200, nil)
	p.call(t, "GET", "/api/cache/stats", nil, 401, nil)
	p.call(t, "POST", "/api/cache/clear", map[string]string{"cache": "listing", "confirm": "listing"}, 401, nil)
	for _, c := range []struct {
		method, path string
		body         any
		text         string
	}{
		{"GET", "/api/cache/stats", nil, "review-stats"},
		{"POST", "/api/cache/clear", map[string]string{"cache": "listing", "confirm": "listing"}, "cleared"},
		{"POST", "/api/cache/clear", map[string]string{"pattern": "user:1*"}, "cleared"},
	} {
		resp, text, err := p.do(c.method, c.path, c.body, "Authorization", "Bearer secret", "Content-Type", "application/json")
		if err != nil || resp.StatusCode != 200 || !strings.Contains(text, c.text) {
			t.Errorf("%s %s: %v, %s", c.method, c.path, err, text)
		}
	}
	if h := p.call(t, "GET", "/api/listings/4", nil, 200, nil); h.Get("X-Tier") != "source" {
		t.Errorf("a listing after the clear is from %s", h.Get("X-Tier"))
	}
}
