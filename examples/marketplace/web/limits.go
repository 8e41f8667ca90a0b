package web

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// Limits are how much a client may do in a minute at one endpoint.
type Limits struct {
	Reads   int            // in each minute of the clock
	Writes  int            // in any minute
	Trusted []netip.Prefix // proxies that set X-Forwarded-For
}

// limiters are shared by all processes with the same Redis. Without Redis each process counts alone.
type limiters struct {
	reads, writes *redislimit.Limiter
	key           ratelimit.KeyFunc
}

func newLimits(b *strata.Backend, o Limits) (limiters, error) {
	// A fixed window is the cheapest, and admits up to twice the limit around the full minute. A
	// strict window never does.
	reads, errReads := redislimit.On(b, nil, ratelimit.Policy{
		Name: "reads", Algorithm: ratelimit.FixedWindow, Limit: o.Reads, Window: time.Minute,
	})
	writes, errWrites := redislimit.On(b, nil, ratelimit.Policy{
		Name: "writes", Algorithm: ratelimit.StrictWindow, Limit: o.Writes, Window: time.Minute,
	})
	return limiters{reads, writes, ratelimit.Each(ratelimit.ByRoute(nil), ratelimit.ByIP(o.Trusted...))},
		errors.Join(errReads, errWrites)
}

// middleware returns one that answers with 429 what is above l.
func (ls limiters) middleware(l ratelimit.Limiter) func(http.Handler) http.Handler {
	return ratelimit.Middleware(l, ls.key)
}
