package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// TestLimits: each client has its own allowance at each endpoint, in all processes together.
func TestLimits(t *testing.T) {
	run := func(t *testing.T, s settings, processes int) {
		s.web.Limits.Writes = 3
		var ps []*process
		for range processes {
			ps = append(ps, start(t, s))
		}
		denied := 0
		for i := range 5 {
			resp, _, err := ps[i%len(ps)].do("DELETE", "/api/bookings/999999", nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusTooManyRequests {
				if denied++; resp.Header.Get("Retry-After") == "" {
					t.Error("the answer has no Retry-After")
				}
			}
		}
		if denied != 2 {
			t.Errorf("%d of 5 requests were denied, want 2", denied)
		}
		if got := ps[0].status("DELETE", "/api/listings/999999"); got != http.StatusNotFound {
			t.Errorf("another endpoint answers %d", got)
		}
	}
	t.Run("one process", func(t *testing.T) { run(t, small(t), 1) })
	t.Run("two with Redis", func(t *testing.T) {
		s := small(t)
		s.cache.RedisURL = redistest.Start(t, nil).URL()
		run(t, s, 2)
	})
}

// TestShutdown: a request in flight is answered, and then the process ends without an error.
func TestShutdown(t *testing.T) {
	s := small(t)
	s.slow = true
	p := start(t, s)
	status := make(chan int)
	go func() { status <- p.status("GET", "/api/bookings?user=3") }()
	redistest.WaitFor(t, "the request to reach the database", func() bool {
		_, text, err := p.do("GET", "/api/stats", nil)
		return err == nil && strings.Contains(text, `"bookings":1`)
	})
	p.stop()
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request in flight got %d", got)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("serve returned %v", err)
	}
	if got := p.status("GET", "/livez"); got != 0 {
		t.Errorf("after the shutdown the process answers %d", got)
	}
}

// TestRedisAway: a process starts and answers without its Redis.
func TestRedisAway(t *testing.T) {
	redis := redistest.Start(t, nil)
	s := small(t)
	s.cache.RedisURL, s.cache.RedisOptional = redis.URL(), true
	redis.Kill()
	p := start(t, s)
	p.call(t, "GET", "/api/listings/1", nil, 200, nil)
	p.call(t, "GET", "/api/health/redis", nil, 503, nil)
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be used", func() bool { return p.status("GET", "/api/health/redis") == 200 })
}
