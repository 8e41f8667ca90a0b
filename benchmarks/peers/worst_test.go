package peers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-chi/httprate"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	limiter "github.com/ulule/limiter/v3"
	ulule "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

const (
	worstLimit  = 100
	worstWindow = time.Second
)

// An asker asks a limiter of worstLimit in a worstWindow for one.
type asker struct {
	name string
	ask  func() (bool, error)
}

// TestLimit_worstWindow attacks limiters that are told "100 a second" for a few seconds
// of real time, and prints the most that a window of a second had: a crowd from nowhere,
// that goes on; and a crowd around the end of a second.
func TestLimit_worstWindow(t *testing.T) {
	s := redistest.Start(t, nil)
	if !*measure { // it takes minutes
		for _, a := range askers(t, s) {
			if ok, err := a.ask(); !ok || err != nil {
				t.Errorf("%s: %v, %v", a.name, ok, err)
			}
		}
		return
	}
	const times = 4
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "limiter\tflood\taround a boundary")
	for _, a := range askers(t, s) {
		fmt.Fprint(w, a.name)
		for _, lead := range []time.Duration{worstWindow / 2, worstWindow / 50} {
			most := 0
			for range times {
				n, err := attack(a, lead)
				if err != nil {
					t.Fatalf("%s: %v", a.name, err)
				}
				most = max(most, n)
			}
			fmt.Fprintf(w, "\t%.2f", float64(most)/worstLimit)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	fmt.Printf("most in a window, as a multiple of the limit\n%s\n", text.String())
}

// attack rests for two windows, until so long before the end of a second of the clock,
// asks without end for little more than a window, and returns the most that were
// admitted in one. Admissions count where they surely lie in a window: from when the
// first was asked for to when the last had been answered.
func attack(a asker, lead time.Duration) (int, error) {
	start := time.Now().Add(2 * worstWindow).Truncate(worstWindow).Add(worstWindow - lead)
	time.Sleep(time.Until(start))
	type admission struct{ asked, answered time.Time }
	var mu sync.Mutex
	var all []admission
	var failure error
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Since(start) < worstWindow*12/10 {
				asked := time.Now()
				ok, err := a.ask()
				answered := time.Now()
				mu.Lock()
				if failure = err; ok {
					all = append(all, admission{asked, answered})
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	most := 0
	for _, first := range all {
		n := 0
		for _, x := range all {
			if !x.asked.Before(first.asked) && x.answered.Sub(first.asked) < worstWindow {
				n++
			}
		}
		most = max(most, n)
	}
	return most, failure
}

func askers(t *testing.T, s *redistest.Server) []asker {
	goRedis := redis.NewClient(&redis.Options{Addr: s.Addr()})
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { goRedis.Close(); client.Close() })
	ours := func(name string, p ratelimit.Policy) asker {
		p.Name, p.Limit, p.Window = "p", worstLimit, worstWindow
		l, err := redislimit.New(client, &redislimit.Options{Timeout: 10 * time.Second, OnFailure: redislimit.FailClosed}, p)
		if err != nil {
			t.Fatal(err)
		}
		return asker{name, func() (bool, error) {
			r, err := l.Allow(ctx, name)
			return r.Allowed, err
		}}
	}
	rate := redis_rate.NewLimiter(goRedis)
	out := []asker{
		ours("strata, strict window", ratelimit.Policy{Algorithm: ratelimit.StrictWindow}),
		ours("strata, GCRA, burst a tenth", ratelimit.Policy{Burst: worstLimit / 10}),
		ours("strata, GCRA", ratelimit.Policy{}),
		ours("strata, sliding counter", ratelimit.Policy{Algorithm: ratelimit.SlidingCounter}),
		ours("strata, fixed window", ratelimit.Policy{Algorithm: ratelimit.FixedWindow}),
		{"redis_rate", func() (bool, error) {
			r, err := rate.Allow(ctx, "k", redis_rate.PerSecond(worstLimit))
			return err == nil && r.Allowed == 1, err
		}},
	}
	return append(out, others(t, goRedis)...)
}

// others are limiters of other kinds, most of them in memory.
func others(t *testing.T, c *redis.Client) []asker {
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	gcraStore, err := memstore.NewCtx(0)
	check(err)
	gcra, err := throttled.NewGCRARateLimiterCtx(gcraStore, throttled.RateQuota{MaxRate: throttled.PerSec(worstLimit), MaxBurst: worstLimit - 1})
	check(err)
	fixedStore, err := ulule.NewStore(c)
	check(err)
	fixed := limiter.New(fixedStore, limiter.Rate{Period: worstWindow, Limit: worstLimit})
	tokens, err := memorystore.New(&memorystore.Config{Tokens: worstLimit, Interval: worstWindow})
	check(err)
	t.Cleanup(func() { tokens.Close(context.Background()) })
	counter := httprate.Limit(worstLimit, worstWindow)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return []asker{
		{"throttled", func() (bool, error) {
			limited, _, err := gcra.RateLimitCtx(ctx, "k", 1)
			return !limited, err
		}},
		{"ulule/limiter", func() (bool, error) {
			r, err := fixed.Get(ctx, "k")
			return !r.Reached, err
		}},
		{"sethvargo/go-limiter", func() (bool, error) {
			_, _, _, ok, err := tokens.Take(ctx, "k")
			return ok, err
		}},
		{"go-chi/httprate", func() (bool, error) {
			w := httptest.NewRecorder()
			counter.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Code == http.StatusOK, nil
		}},
	}
}
