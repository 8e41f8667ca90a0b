package redislimit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

func noPause(int) time.Duration { return 0 }

// Eight processes share a key: together they are admitted the limit, to the unit,
// also if the clock of the server is not theirs.
func TestFleet_exactLimit(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{OwnClock: true})
	for i, algorithm := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingCounter, ratelimit.StrictWindow, ratelimit.Concurrency} {
		if err := s.SetClock(time.Duration(i-2) * 31 * time.Hour); err != nil {
			t.Fatal(err)
		}
		const limit = 1000
		times := runPeers(t, s, 8, algorithm, limit, long, 150, noPause)
		if len(times) != limit {
			t.Errorf("%v: %d admitted, want %d", algorithm, len(times), limit)
		}
	}
}

// Four processes ask in crowds, each at its own pace: no window of the server's time,
// wherever it begins, has more than the limit.
func TestFleet_strictWindow(t *testing.T) {
	s := redistest.Start(t, nil)
	const window = 150 * time.Millisecond
	for _, limit := range []int{40, 200} { // fewer than there are buckets, and more
		times := runPeers(t, s, 4, ratelimit.StrictWindow, limit, window, 2500, func(i int) time.Duration {
			return time.Duration(3+i*7) * time.Millisecond
		})
		slices.Sort(times)
		first, most := 0, 0
		for i, at := range times {
			for at-times[first] >= window.Microseconds() {
				first++
			}
			most = max(most, i-first+1)
		}
		if most > limit || most < limit*9/10 || len(times) <= limit {
			t.Errorf("a window of %v has %d, want at most %d and nearly as many; %d in all", window, most, limit, len(times))
		}
		if _, err := s.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
}

// A clock that is set forth gives what the time it shows gives; one that is set back
// neither gives nor takes, but that nobody waits for longer than a window or two.
func TestFleet_clockIsSet(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{OwnClock: true})
	for algorithm := ratelimit.GCRA; algorithm <= ratelimit.Concurrency; algorithm++ {
		if err := s.SetClock(0); err != nil {
			t.Fatal(err)
		}
		l := open(t, s, redislimit.Options{MaxDenied: -1}, policy(algorithm, 10, time.Hour))
		allowN(t, l, "k", 10)
		for _, ahead := range []time.Duration{-time.Minute, -50 * time.Minute, -1000 * time.Hour} {
			if err := s.SetClock(ahead); err != nil {
				t.Fatal(err)
			}
			if r := allowN(t, l, "k", 1); r.Allowed || r.RetryAfter > 2*time.Hour || r.Source != ratelimit.SourceRedis {
				t.Errorf("%v, the clock is set to %v: %+v", algorithm, ahead, r)
			}
		}
		// The last call was denied, and yet it noted what time it is.
		if err := s.SetClock(-997 * time.Hour); err != nil {
			t.Fatal(err)
		}
		if r := allowN(t, l, "k", 1); !r.Allowed || r.Remaining != 9 || r.Source != ratelimit.SourceRedis {
			t.Errorf("%v, three hours later: %+v", algorithm, r)
		}
		if err := s.SetClock(0); err != nil {
			t.Fatal(err)
		}
		if r := allowN(t, l, "k", 1); !r.Allowed || r.Remaining != 9 || r.Source != ratelimit.SourceRedis {
			t.Errorf("%v, when the clock is right again: %+v", algorithm, r)
		}
	}
}

func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	client := dial(t, c.Addrs()...)
	l, err := redislimit.New(client, &redislimit.Options{Timeout: patience}, policy(ratelimit.GCRA, 10, long),
		ratelimit.Policy{Name: "q", Algorithm: ratelimit.StrictWindow, Limit: 10, Window: long})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		key := string(rune('A' + i))
		if r := allowN(t, l, key, 4); !r.Allowed || r.Source != ratelimit.SourceRedis {
			t.Fatalf("%q: %+v", key, r)
		}
		if r := allowN(t, l, key, 7); r.Allowed {
			t.Fatalf("%q: %+v", key, r)
		}
	}
	for i, s := range c.Nodes {
		if n, err := s.Do("DBSIZE"); err != nil || n == int64(0) {
			t.Errorf("node %d has %v keys: %v", i, n, err)
		}
	}
	migrates(t, c, l)
}

// migrates asks for keys, present and absent, whose slot is on its way to another node.
func migrates(t *testing.T, c *redistest.Cluster, l *redislimit.Limiter) {
	t.Helper()
	from, err := c.Owner(l.RedisKey("A"))
	if err != nil {
		t.Fatal(err)
	}
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	id := func(s *redistest.Server) any { v, _ := s.Do("CLUSTER", "MYID"); return v }
	slot, err := from.Do("CLUSTER", "KEYSLOT", l.RedisKey("A"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", id(from)); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", id(to)); err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "A", 1); !r.Allowed || r.Remaining != 5 || r.Source != ratelimit.SourceRedis {
		t.Errorf("a key that has not moved: %+v", r)
	}
	if _, err := from.Do("MIGRATE", "127.0.0.1", to.Port(), l.RedisKey("A"), 0, 5000); err != nil {
		t.Fatal(err)
	}
	if r := allowN(t, l, "A", 1); !r.Allowed || r.Remaining != 4 || r.Source != ratelimit.SourceRedis {
		t.Errorf("a key that has moved: %+v", r)
	}
}
