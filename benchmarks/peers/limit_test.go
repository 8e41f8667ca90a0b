package peers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

var (
	ctx       = context.Background()
	errDenied = errors.New("denied")
)

const callers = 64

// TestLimit_redis compares decisions a second in Redis: 64 callers, one hot key and
// 10,000 keys, nothing denied. The goal is twice those of redis_rate, by GCRA.
func TestLimit_redis(t *testing.T) {
	s := redistest.Start(t, nil)
	for _, keys := range []int{1, 10_000} {
		names := make([]string, keys)
		for i := range names {
			names[i] = fmt.Sprint("user:", i)
		}
		cs := []contender{redisRate(t, s, names)}
		for _, p := range []ratelimit.Policy{
			{Name: "gcra", Limit: 1_000_000, Window: time.Second},
			{Name: "fixed", Algorithm: ratelimit.FixedWindow, Limit: 1_000_000, Window: time.Second},
			{Name: "counter", Algorithm: ratelimit.SlidingCounter, Limit: 1_000_000, Window: time.Second},
			{Name: "strict-10", Algorithm: ratelimit.StrictWindow, Limit: 1_000_000, Window: time.Second, Buckets: 10},
			{Name: "strict-60", Algorithm: ratelimit.StrictWindow, Limit: 1_000_000, Window: time.Second},
		} {
			cs = append(cs, strata(t, s, names, p))
		}
		rates, err := interleave(callers, cs)
		if err != nil {
			t.Fatal(err)
		}
		report(t, fmt.Sprintf("%d callers, %d keys", callers, keys), cs, rates, map[string]float64{"strata gcra": 2})
	}
}

func redisRate(t *testing.T, s *redistest.Server, names []string) contender {
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: callers})
	t.Cleanup(func() { c.Close() })
	l := redis_rate.NewLimiter(c)
	return contender{"redis_rate", func(i int) error {
		r, err := l.Allow(ctx, names[i*7919%len(names)], redis_rate.PerSecond(1_000_000))
		if err == nil && r.Allowed != 1 {
			err = errDenied
		}
		return err
	}}
}

func strata(t *testing.T, s *redistest.Server, names []string, p ratelimit.Policy) contender {
	c, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	l, err := redislimit.New(c, &redislimit.Options{Timeout: 10 * time.Second, OnFailure: redislimit.FailClosed}, p)
	if err != nil {
		t.Fatal(err)
	}
	return contender{"strata " + p.Name, func(i int) error {
		r, err := l.Allow(ctx, names[i*7919%len(names)])
		if err == nil && !r.Allowed {
			err = errDenied
		}
		return err
	}}
}

// report prints operations a second, and the ratio to the first contender, whose median
// is compared with goals.
func report(t *testing.T, what string, cs []contender, rates [][]float64, goals map[string]float64) {
	if !*measure {
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: contender\tdecisions/s\t(quartiles)\tx %s\t(quartiles)\tgoal\n", what, cs[0].name)
	for i, c := range cs {
		r := ratios(rates[i], rates[0])
		goal := ""
		if g := goals[c.name]; g > 0 {
			goal = fmt.Sprintf("%.1f: %s", g, verdict(quantile(r, 0.5) >= g))
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f-%.0f\t%.2f\t%.2f-%.2f\t%s\n", c.name, quantile(rates[i], 0.5),
			quantile(rates[i], 0.25), quantile(rates[i], 0.75), quantile(r, 0.5), quantile(r, 0.25), quantile(r, 0.75), goal)
	}
	w.Flush()
	fmt.Printf("%d rounds of %v\n%s\n", *rounds, *slice, text.String())
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}
