package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/redis/rueidis"
)

// latency measures the way to a server and back, and how far its clock is from that of this
// machine.
func (g *diagnosis) latency(ctx context.Context, c rueidis.Client, n heartbeat.Node) error {
	const tries = 10
	best := time.Duration(-1)
	var ahead time.Duration
	known := false
	for range tries {
		call, cancel := g.client.link.Deadlines.Begin(ctx)
		sent := time.Now()
		r := c.Do(call, c.B().Arbitrary("TIME").Build())
		took := time.Since(sent)
		cancel()
		if err := r.NonRedisError(); err != nil {
			return err
		}
		if best >= 0 && took >= best {
			continue
		}
		best = took
		if t, err := r.AsIntSlice(); err == nil && len(t) == 2 {
			ahead, known = time.Unix(t[0], t[1]*1000).Sub(sent.Add(took/2)), true
		}
	}
	if best > slow {
		g.add("latency", SeverityWarning, n.Addr, "Move the processes and the server closer together, or give hot values to L1.",
			"the fastest of %d exchanges took %v: every read that L1 does not answer, and every change, waits that long", tries, best.Round(10*time.Microsecond))
	}
	if known && ahead.Abs() > skewed {
		g.add("clock", SeverityInfo, n.Addr, "Synchronise the clocks of both machines.",
			"its clock is %v ahead of that of this machine: caches do not compare them, but logs are misleading, and one that is set shortens or prolongs values", ahead.Round(time.Millisecond))
	}
	return nil
}

const (
	slow   = 5 * time.Millisecond
	skewed = time.Second
)
