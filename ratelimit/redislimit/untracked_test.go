package redislimit_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// Limiters work over a proxy that speaks RESP2 and passes on little more than commands of
// keys, and two processes share a limit.
func TestLimiter_untracked(t *testing.T) {
	proxy := redistest.StartUntracked(t, server(t).Addr(), "SCAN")
	for _, algorithm := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.StrictWindow, ratelimit.SlidingCounter} {
		o := &redislimit.Options{Prefix: fmt.Sprintf("%d-%d:", os.Getpid(), lastPrefix.Add(1)), Timeout: patience}
		var limiters [2]*redislimit.Limiter
		for i := range limiters {
			l, err := redislimit.New(dial(t, proxy.Addr()), o, policy(algorithm, 4, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			limiters[i] = l
		}
		for n := range 6 {
			r := allowN(t, limiters[n%2], "k", 1)
			if r.Allowed != (n < 4) || n < 4 && r.Source != ratelimit.SourceRedis {
				t.Errorf("%v, call %d: %+v", algorithm, n, r)
			}
		}
	}
}
