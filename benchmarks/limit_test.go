package benchmarks_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// limitKeys is the number of keys of the limiters of this process.
const limitKeys = 10_000

// limitsLocal measures a decision in this process, beside its unavoidable parts: reading a
// clock, and reading and writing a map of as many keys under a lock.
func limitsLocal(t testing.TB, algorithm ratelimit.Algorithm) []contender {
	t.Helper()
	l, err := ratelimit.New(ratelimit.Policy{Name: "p", Algorithm: algorithm, Limit: 1_000_000, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ks, used := make([]string, limitKeys), make(map[string]*time.Duration, limitKeys)
	for i := range ks {
		ks[i] = "user:" + strconv.Itoa(i)
		used[ks[i]] = new(time.Duration)
		if _, err := l.Allow(ctx, ks[i]); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	start := time.Now()
	n, m := 0, 0
	return []contender{
		{"clock and map", func(int) error {
			n = (n + 7919) % limitKeys
			mu.Lock()
			*used[ks[n]] = time.Since(start)
			mu.Unlock()
			return nil
		}},
		{algorithm.String(), func(int) error {
			m = (m + 7919) % limitKeys
			_, err := l.Allow(ctx, ks[m])
			return err
		}},
	}
}

// limitsBlocked measures the denial of keys that Redis has denied, beside a request to
// Redis for each.
func limitsBlocked(t testing.TB) []contender {
	t.Helper()
	c, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{server(t).Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	blocked := func(name string, remembered int) contender {
		l, err := redislimit.New(c, &redislimit.Options{Prefix: prefix(), Timeout: time.Minute, MaxDenied: remembered},
			ratelimit.Policy{Name: "p", Algorithm: ratelimit.FixedWindow, Limit: 1, Window: 365 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		deny := func(key int) error {
			if r, err := l.Allow(ctx, names[key]); err != nil || r.Allowed {
				return errWrong
			}
			return nil
		}
		for i := range names {
			if _, err := l.Allow(ctx, names[i]); err != nil {
				t.Fatal(err)
			}
			if err := deny(i); err != nil {
				t.Fatal(err)
			}
		}
		return contender{name, deny}
	}
	return []contender{blocked("asked", -1), blocked("remembered", 0)}
}
