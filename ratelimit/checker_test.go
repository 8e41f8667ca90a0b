package ratelimit_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/ratelimit"
)

func TestChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight, 2000-01-01 UTC
		c := ratelimit.NewChecker(nil)
		time.Sleep(59 * time.Second)
		boundary := time.Now().Add(time.Second)
		for i := range 4 {
			allowed, remaining, reset, err := c.Check(ctx, "203.0.113.9", "/login", 3, time.Minute)
			if allowed != (i < 3) || remaining != max(0, 2-i) || !reset.Equal(boundary) || err != nil {
				t.Errorf("%d of 3: %v, %d, %v, %v", i+1, allowed, remaining, reset, err)
			}
			allowed, remaining, reset, err = c.CheckSliding(ctx, "203.0.113.9", "/login", 3, time.Minute)
			if allowed != (i < 3) || remaining != max(0, 2-i) || !reset.Equal(time.Now().Add(time.Minute)) || err != nil {
				t.Errorf("sliding, %d of 3: %v, %d, %v, %v", i+1, allowed, remaining, reset, err)
			}
		}
		time.Sleep(time.Second)
		if allowed, _, _, _ := c.Check(ctx, "203.0.113.9", "/login", 3, time.Minute); !allowed {
			t.Error("the next window does not begin on the minute")
		}
		if allowed, _, _, _ := c.CheckSliding(ctx, "203.0.113.9", "/login", 3, time.Minute); allowed {
			t.Error("the sliding window ends with the minute")
		}
		for _, k := range [][2]string{{"203.0.113.9", "/other"}, {"203.0.113.8", "/login"}, {"203.0.113.9/", "login"}} {
			if _, remaining, _, _ := c.Check(ctx, k[0], k[1], 3, time.Minute); remaining != 2 {
				t.Errorf("%q shares an allowance", k)
			}
		}
		if allowed, _, _, err := c.Check(ctx, "203.0.113.9", "/login", 0, time.Minute); allowed || err == nil {
			t.Error("a limit of 0 is no error")
		}
	})
}

// The limiters are what open makes, one for each limit and window, and not without end.
func TestChecker_open(t *testing.T) {
	opened := 0
	c := ratelimit.NewChecker(func(p ratelimit.Policy) (ratelimit.Limiter, error) {
		if opened++; p.Window == time.Hour {
			return nil, errors.New("no hours")
		}
		return ratelimit.New(p)
	})
	for range 3 {
		for i := range 1000 {
			if _, _, _, err := c.Check(ctx, "ip", "e", i+1, time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	if opened != 1000 {
		t.Errorf("opened %d limiters, want 1000", opened)
	}
	if _, _, _, err := c.Check(ctx, "ip", "e", 5000, time.Second); err == nil {
		t.Error("no end of limiters")
	}
	if _, _, _, err := ratelimit.NewChecker(func(ratelimit.Policy) (ratelimit.Limiter, error) { return nil, errors.New("x") }).Check(ctx, "ip", "e", 1, time.Second); err == nil {
		t.Error("the error of open is lost")
	}
}
