package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

func TestLimiter_results(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.FixedWindow, 10, long))
	check := func(what string, r ratelimit.Result, allowed bool, left int) {
		t.Helper()
		if r.Allowed != allowed || r.Remaining != left || r.Policy != "p" || r.Limit != 10 || r.Source != ratelimit.SourceRedis {
			t.Errorf("%s: %+v", what, r)
		}
	}
	check("new", allowN(t, l, "k", 0), true, 10)
	check("7 of 10", allowN(t, l, "k", 7), true, 3)
	r := allowN(t, l, "k", 4)
	if check("4 of 3", r, false, 3); r.RetryAfter <= 0 || r.RetryAfter > long || r.ResetAfter != r.RetryAfter || r.NextAfter != r.RetryAfter {
		t.Errorf("4 of 3: %+v", r)
	}
	r = allowN(t, l, "k", 11)
	if check("11", r, false, 3); r.RetryAfter != ratelimit.Never {
		t.Errorf("11: %+v", r)
	}
	check("3 of 3, after two were denied", allowN(t, l, "k", 3), true, 0)
	if err := l.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	taken, r, err := l.Take(ctx, "k", 1<<60)
	if check("Take", r, true, 0); taken != 10 || err != nil {
		t.Errorf("Take: %d, %v", taken, err)
	}
	taken, r, err = l.Take(ctx, "k", 3)
	if check("Take of nothing", r, false, 0); taken != 0 || err != nil || r.RetryAfter <= 0 {
		t.Errorf("Take of nothing: %d, %+v, %v", taken, r, err)
	}
	r, err = l.Peek(ctx, "k")
	if check("Peek", r, false, 0); err != nil {
		t.Error(err)
	}
	_, errAllow := l.AllowN(ctx, "k", -1)
	_, _, errTake := l.Take(ctx, "k", 0)
	for _, err := range []error{errAllow, errTake} {
		if !errors.Is(err, ratelimit.ErrCost) {
			t.Errorf("error %v", err)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	var e *store.Error
	if r, err := l.Allow(done, "new"); !errors.Is(err, context.Canceled) || !errors.As(err, &e) || r.Allowed {
		t.Errorf("a context that is done: %+v, %v", r, err)
	}
}

func TestLimiter_Wait(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.GCRA, 100, time.Second))
	start := time.Now()
	for range 120 {
		if err := l.Wait(ctx, "k", 1); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 190*time.Millisecond {
		t.Errorf("120 of a bucket of 100 took %v, want 200ms", took)
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	slow := open(t, server(t), redislimit.Options{}, policy(ratelimit.FixedWindow, 1, long))
	if err := slow.Wait(ctx, "k", 1); err != nil {
		t.Fatal(err)
	}
	if err := slow.Wait(soon, "k", 1); !errors.Is(err, context.DeadlineExceeded) || soon.Err() != nil {
		t.Errorf("a deadline that is too near: %v", err)
	}
	if err := slow.Wait(ctx, "k", 2); !errors.Is(err, ratelimit.ErrNever) {
		t.Errorf("more than ever passes: %v", err)
	}
}

// A decision is one exchange and one key, whatever the number of policies; what is
// denied is not written. The key ends when the allowance is whole again.
func TestLimiter_oneExchangeOneKey(t *testing.T) {
	s := redistest.Start(t, nil)
	l := open(t, s, redislimit.Options{MaxDenied: -1}, policy(ratelimit.GCRA, 10, time.Second),
		ratelimit.Policy{Name: "hour", Algorithm: ratelimit.StrictWindow, Limit: 1000, Window: time.Hour},
		ratelimit.Policy{Name: "slots", Algorithm: ratelimit.Concurrency, Limit: 5, Window: time.Minute})
	allowN(t, l, "k", 1) // which makes the script known
	evals, sets := calls(t, s, "evalsha", "eval"), calls(t, s, "set")
	for range 20 {
		allowN(t, l, "k", 1)
	}
	if n := calls(t, s, "evalsha", "eval") - evals; n != 20 {
		t.Errorf("%d exchanges for 20 calls", n)
	}
	if n := calls(t, s, "set") - sets; n != 4 {
		t.Errorf("%d writes for 4 calls that passed", n)
	}
	key := l.RedisKey("k")
	if found, err := s.Do("KEYS", "*"); err != nil || fmt.Sprint(found) != "["+key+"]" || !strings.HasSuffix(key, "{k}:p=gcra,hour=strict,slots=slots") {
		t.Errorf("keys %v, want only %s: %v", found, key, err)
	}
	// The bucket of an hour counts until an hour after its end.
	if left, err := s.Do("PTTL", key); err != nil || left.(int64) <= 3590_000 || left.(int64) > 3660_000 {
		t.Errorf("the key ends after %v ms: %v", left, err)
	}
	// A GCRA alone has its key end up to ten seconds late, and seldom says when anew.
	long := open(t, s, redislimit.Options{MaxDenied: -1}, policy(ratelimit.GCRA, 10, time.Minute))
	for range 12 {
		r := allowN(t, long, "k", 1)
		left, err := s.Do("PTTL", long.RedisKey("k"))
		if ms := time.Duration(left.(int64)) * time.Millisecond; err != nil || ms < r.ResetAfter-time.Second || ms > r.ResetAfter+11*time.Second {
			t.Errorf("the key ends in %v, and is as if never used in %v: %v", ms, r.ResetAfter, err)
		}
	}
	short := open(t, s, redislimit.Options{}, policy(ratelimit.GCRA, 10, 100*time.Millisecond))
	allowN(t, short, "k", 10)
	redistest.WaitFor(t, "the key to end by itself", func() bool {
		n, err := s.Do("EXISTS", short.RedisKey("k"))
		return err == nil && n == int64(0)
	})
}

// A policy with other numbers goes on with what was used; one with another algorithm
// or name begins anew.
func TestLimiter_policyChanges(t *testing.T) {
	other := ratelimit.Policy{Name: "other", Limit: 100_000, Window: time.Hour}
	for i, more := range [][]ratelimit.Policy{nil, {other}} {
		for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
			o := redislimit.Options{Prefix: fmt.Sprintf("change-%d-%v:", i, algorithm)}
			limited := func(limit int) *redislimit.Limiter {
				return open(t, server(t), o, policy(algorithm, limit, long), more...)
			}
			allowN(t, limited(100), "k", 60)
			for _, c := range []struct{ limit, left int }{{70, 10}, {50, 0}, {1000, 940}} {
				if r := allowN(t, limited(c.limit), "k", 0); r.Remaining != c.left || r.Allowed != (c.left > 0) {
					t.Errorf("%v: 60 of 100, and now the limit is %d: %+v", algorithm, c.limit, r)
				}
			}
			if r := allowN(t, open(t, server(t), o, policy((algorithm+1)%5, 100, long), more...), "k", 0); r.Remaining != 100 {
				t.Errorf("%v: then it is another algorithm: %+v", algorithm, r)
			}
		}
	}
}

// What cannot be read counts for nothing, and is overwritten. What is of another type
// is left alone: the key fails, and others do not.
func TestLimiter_damagedKey(t *testing.T) {
	l := open(t, server(t), redislimit.Options{}, policy(ratelimit.StrictWindow, 10, long))
	allowN(t, l, "k", 1)
	whole, err := server(t).Do("GET", l.RedisKey("k"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole.(string)) + 1 {
		for _, damaged := range []string{whole.(string)[:i], whole.(string)[:i] + "\xff", whole.(string) + strings.Repeat("x", i+1)} {
			if _, err := server(t).Do("SET", l.RedisKey("k"), damaged); err != nil {
				t.Fatal(err)
			}
			if r := allowN(t, l, "k", 1); r.Source != ratelimit.SourceRedis || damaged != whole.(string) && r.Remaining != 9 && i < 9 {
				t.Fatalf("%q: %+v", damaged, r)
			}
		}
	}
	if _, err := server(t).Do("HSET", l.RedisKey("hash"), "a", "b"); err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "hash", 1); r.Source != ratelimit.SourceFallback {
		t.Errorf("a key of another type: %+v", r)
	}
	if r := allowN(t, l, "other", 1); r.Source != ratelimit.SourceRedis {
		t.Errorf("another key then: %+v", r)
	}
}

func TestNew_allMistakesAtOnce(t *testing.T) {
	_, err := redislimit.New(nil, &redislimit.Options{Prefix: "a{", OnFailure: 7, Fleet: -1, Timeout: -1}, ratelimit.Policy{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`Prefix "a{"`, "OnFailure 7", "Fleet -1", "Timeout -1", `Name ""`, "Limit 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

// Different keys are different in Redis, and what is in braces is all of the key.
func FuzzLimiter_keys(f *testing.F) {
	l, err := redislimit.New(struct{ rueidis.Client }{}, nil, policy(ratelimit.GCRA, 1, time.Second)) // it is not asked
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a}", "a%7D")
	f.Add("", "{}")
	f.Add("user:1", "user:1}:p=gcra")
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, kb := l.RedisKey(a), l.RedisKey(b)
		if (ka == kb) != (a == b) {
			t.Errorf("%q and %q are %q and %q", a, b, ka, kb)
		}
		if tag, rest, _ := strings.Cut(ka[strings.Index(ka, "{")+1:], "}"); len(tag) < len(a) || rest != ":p=gcra" {
			t.Errorf("%q is %q: the tag is %q", a, ka, tag)
		}
	})
}
