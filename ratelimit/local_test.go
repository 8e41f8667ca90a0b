package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

var ctx = context.Background()

func local(t testing.TB, p ratelimit.Policy, more ...ratelimit.Policy) *ratelimit.Local {
	t.Helper()
	l, err := ratelimit.New(p, more...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func perSecond(n int) ratelimit.Policy {
	return ratelimit.Policy{Name: "second", Limit: n, Window: time.Second}
}

func allowN(t testing.TB, l ratelimit.Limiter, key string, n int) ratelimit.Result {
	t.Helper()
	r, err := l.AllowN(t.Context(), key, n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every number of a result, of a bucket of 10 into which 4 flow a second.
func TestLocal_results(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := local(t, ratelimit.Policy{Name: "p", Limit: 4, Window: time.Second, Burst: 10})
		const quarter = time.Second / 4
		check := func(what string, got, want ratelimit.Result) {
			t.Helper()
			want.Policy, want.Limit = "p", 10
			if got != want {
				t.Errorf("%s: got %+v, want %+v", what, got, want)
			}
		}
		check("new", allowN(t, l, "k", 0), ratelimit.Result{Allowed: true, Remaining: 10})
		check("9 of 10", allowN(t, l, "k", 9), ratelimit.Result{Allowed: true, Remaining: 1, ResetAfter: 9 * quarter, NextAfter: quarter})
		check("2 of 1", allowN(t, l, "k", 2), ratelimit.Result{Remaining: 1, RetryAfter: quarter, ResetAfter: 9 * quarter, NextAfter: quarter})
		check("11", allowN(t, l, "k", 11), ratelimit.Result{Remaining: 1, RetryAfter: ratelimit.Never, ResetAfter: 9 * quarter, NextAfter: quarter})
		time.Sleep(100 * time.Millisecond)
		check("2, early", allowN(t, l, "k", 2), ratelimit.Result{Remaining: 1, RetryAfter: quarter - 100*time.Millisecond,
			ResetAfter: 9*quarter - 100*time.Millisecond, NextAfter: quarter - 100*time.Millisecond})
		time.Sleep(150 * time.Millisecond)
		check("2, in time", allowN(t, l, "k", 2), ratelimit.Result{Allowed: true, ResetAfter: 10 * quarter, NextAfter: quarter})
		if err := l.Reset(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		check("after Reset", allowN(t, l, "k", 10), ratelimit.Result{Allowed: true, ResetAfter: 10 * quarter, NextAfter: quarter})
	})
}

func TestLocal_takePeek(t *testing.T) {
	l := local(t, ratelimit.Policy{Name: "p", Algorithm: ratelimit.FixedWindow, Limit: 10, Window: 10 * 365 * 24 * time.Hour})
	for _, c := range []struct{ n, want, left int }{{4, 4, 6}, {1 << 60, 6, 0}, {3, 0, 0}} {
		taken, r, err := l.Take(ctx, "k", c.n)
		if err != nil || taken != c.want || r.Remaining != c.left || r.Allowed != (taken > 0) || (r.RetryAfter > 0) != (taken == 0) {
			t.Errorf("Take %d: %d, %+v, %v", c.n, taken, r, err)
		}
		if r, err := l.Peek(ctx, "k"); err != nil || r.Remaining != c.left || r.Allowed != (c.left > 0) {
			t.Errorf("Peek: %+v, %v", r, err)
		}
	}
	if l.Peek(ctx, "other"); l.Len() != 1 {
		t.Error("Peek remembers a key")
	}
	if allowN(t, l, "other", 11); l.Len() != 1 {
		t.Error("what is denied is remembered")
	}
	_, errAllow := l.AllowN(ctx, "k", -1)
	_, _, errTake := l.Take(ctx, "k", 0)
	for _, err := range []error{errAllow, errTake} {
		var e *store.Error
		if !errors.Is(err, ratelimit.ErrCost) || !errors.As(err, &e) || e.Key != "k" {
			t.Errorf("error %v", err)
		}
	}
}

// Ten a second and a hundred a minute: neither is charged for what the other denies.
func TestLocal_severalPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := local(t, perSecond(10), ratelimit.Policy{Name: "minute", Algorithm: ratelimit.StrictWindow, Limit: 100, Window: time.Minute, Buckets: 100})
		admitted := 0
		for range 60 * 20 {
			r := allowN(t, l, "k", 1)
			if r.Allowed {
				admitted++
			}
			if want := "second"; !r.Allowed && admitted < 100 && r.Policy != want {
				t.Fatalf("denied by %s after %d", r.Policy, admitted)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if admitted != 100 {
			t.Errorf("%d admitted in a minute, want 100", admitted)
		}
		if r := allowN(t, l, "k", 1); !r.Allowed { // a minute after the first
			t.Errorf("the second minute: %+v", r)
		}
	})
}

func TestLocal_wait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := local(t, perSecond(10))
		start := time.Now()
		for range 30 {
			if err := l.Wait(t.Context(), "k", 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("30 took %v, want 2s", took)
		}
		soon, cancel := context.WithTimeout(t.Context(), 99*time.Millisecond)
		defer cancel()
		start = time.Now()
		if err := l.Wait(soon, "k", 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("a deadline that is too near: %v after %v", err, time.Since(start))
		}
		if err := l.Wait(t.Context(), "k", 11); !errors.Is(err, ratelimit.ErrNever) {
			t.Errorf("more than ever passes: %v", err)
		}
		leaving, leave := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, leave)
		if err := l.Wait(leaving, "k", 5); !errors.Is(err, context.Canceled) || time.Since(start) != 50*time.Millisecond {
			t.Errorf("left: %v after %v", err, time.Since(start))
		}
		if err := l.Wait(leaving, "k", 0); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that is over: %v", err)
		}
		if err := l.Wait(t.Context(), "k", -1); !errors.Is(err, ratelimit.ErrCost) {
			t.Errorf("less than nothing: %v", err)
		}
	})
}

// No window, wherever it begins, has more than the limit: against floods, bursts at
// the worst moments, and random calls. One microsecond more than a window may have.
func TestLocal_strictWindow(t *testing.T) {
	const limit, window = 50, time.Second
	for _, buckets := range []int{1, 7, 10, 60} {
		for name, gap := range schedules(window) {
			t.Run(fmt.Sprintf("%s/%d", name, buckets), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := local(t, ratelimit.Policy{Name: "p", Algorithm: ratelimit.StrictWindow, Limit: limit, Window: window, Buckets: buckets})
					var times []time.Time
					for i := range 4000 {
						if n, _, _ := l.Take(ctx, "k", 1+i%3); n > 0 {
							for range n {
								times = append(times, time.Now())
							}
						}
						time.Sleep(gap(i).Truncate(time.Microsecond))
					}
					if most := worst(times, window); most > limit || most < limit*8/10 {
						t.Errorf("a window with %d, want at most %d, and not far below", most, limit)
					}
				})
			})
		}
	}
}

// schedules returns ways to choose the time until the next call.
func schedules(window time.Duration) map[string]func(i int) time.Duration {
	rnd := rand.New(rand.NewPCG(4, 4))
	return map[string]func(int) time.Duration{
		"flood":  func(int) time.Duration { return window / 1000 },
		"random": func(int) time.Duration { return time.Duration(rnd.Int64N(int64(window / 20))) },
		// A crowd just before a boundary and one just after it.
		"boundary": func(i int) time.Duration {
			if i%200 == 100 {
				return 2 * time.Microsecond
			} else if i%200 == 0 {
				return window - 2*time.Microsecond
			}
			return 0
		},
		// Crowds at distances that slip past any width of a bucket.
		"crowds": func(i int) time.Duration {
			if i%60 == 0 {
				return time.Duration(rnd.Int64N(int64(window)))
			}
			return 0
		},
	}
}

// worst returns the most that lie in one half-open window.
func worst(times []time.Time, window time.Duration) (most int) {
	first := 0
	for i, at := range times {
		for at.Sub(times[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Callers on all processors get the limit to the unit.
func TestLocal_concurrentCallers(t *testing.T) {
	for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
		l := local(t, ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: 1000, Window: 10 * 365 * 24 * time.Hour})
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 500 {
					if r, _ := l.AllowN(ctx, "k", 1+i%2); r.Allowed {
						admitted.Add(int64(1 + i%2))
					}
				}
			})
		}
		wg.Wait()
		if n := admitted.Load(); n != 1000 {
			t.Errorf("%v: %d admitted, want 1000", algorithm, n)
		}
	}
}

// Keys are forgotten when their allowance is whole again, and before that only where
// there are too many.
func TestLocal_forgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
			l := local(t, ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: 10, Window: time.Second})
			for i := range 10_000 {
				allowN(t, l, fmt.Sprint(i), 5)
			}
			if n := l.Len(); n != 10_000 {
				t.Fatalf("%v: %d keys", algorithm, n)
			}
			for range 64 { // any traffic will do
				time.Sleep(2 * time.Second)
				for range 1000 {
					allowN(t, l, fmt.Sprint("x", rand.IntN(1000)), 1)
				}
			}
			if n := l.Len(); n > 1100 {
				t.Errorf("%v: %d keys are remembered, most of them for nothing", algorithm, n)
			}
		}
	})
}

func TestLocal_maxKeys(t *testing.T) {
	for _, most := range []int{1, 100, 5000} {
		l, err := (&ratelimit.Options{MaxKeys: most}).New(ratelimit.Policy{Name: "p", Limit: 2, Window: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20_000 {
			if r := allowN(t, l, fmt.Sprint(i), 1); !r.Allowed {
				t.Fatalf("a new key is denied: %+v", r)
			}
			if n := l.Len(); n > most {
				t.Fatalf("%d keys, want at most %d", n, most)
			}
		}
	}
	// The one that has the least to lose goes.
	l, err := (&ratelimit.Options{MaxKeys: 4}).New(ratelimit.Policy{Name: "p", Limit: 100, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	allowN(t, l, "much", 90)
	for i := range 1000 {
		allowN(t, l, fmt.Sprint(i), 1)
	}
	if r := allowN(t, l, "much", 0); r.Remaining > 50 {
		t.Errorf("a key that was used much was forgotten for one that was not: %+v", r)
	}
}
