package redisstore

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// tracking looks whether the servers notify of changes.
func (g *diagnosis) tracking(ctx context.Context, d *Dialer, opt rueidis.ClientOption, prefixes []string) {
	const advice = "Connect to the server without the proxy, or use strata.NoTracking (STRATA_TRACKING=off)."
	tracked := Dialer{Timeout: d.Timeout, Broadcast: d.Broadcast, BreakAfter: -1, MaxDisconnected: -1}
	c, err := tracked.DialContext(ctx, opt)
	if err != nil {
		g.add("tracking", SeverityError, "", advice, "%v", err)
		return
	}
	defer c.Close()
	if err := c.link.Broadcast.Covers("diagnose", g.prefix); len(prefixes) > 0 && err != nil {
		g.add("tracking", SeverityError, "", "Set Broadcast to prefixes that cover those of all stores and Tags.", "%v", err)
		return
	}
	l, err := c.link.Connected(ctx)
	if err != nil {
		return
	}
	for _, n := range g.nodes {
		if pushed, err := g.pushed(ctx, c, l, n); err != nil {
			g.add("tracking", SeverityWarning, n.Addr, "Grant the rights that are missing, and try again.", "whether invalidations arrive could not be tried: %v", c.link.Cause(ctx, err))
		} else if !pushed {
			g.add("tracking", SeverityError, n.Addr, advice, "invalidations do not arrive: something between this process and the server drops them, or the server does not send them")
		}
	}
}

// pushed reads a key of n and changes it, and reports whether c was notified.
func (g *diagnosis) pushed(ctx context.Context, c *Client, l *link.Pair, n heartbeat.Node) (bool, error) {
	var notified atomic.Bool
	arrived := make(chan struct{}, 1)
	stop := c.watchers.Watch("", nil, func(inv store.Invalidation) {
		if slices.Contains(inv.Keys, n.Key) && !notified.Swap(true) {
			arrived <- struct{}{}
		}
	})
	defer stop()
	reader, err := g.at(ctx, l.T, n)
	if err != nil {
		return false, err
	}
	writer, err := g.at(ctx, l.W, n)
	if err != nil {
		return false, err
	}
	if err := reader.Do(ctx, reader.B().Get().Key(n.Key).Build()).Error(); err != nil && !rueidis.IsRedisNil(err) {
		return false, err
	}
	set := writer.B().Arbitrary("SET").Keys(n.Key).Args("", "PX", "10000").Build()
	del := writer.B().Arbitrary("DEL").Keys(n.Key).Build()
	for _, r := range writer.DoMulti(ctx, set, del) {
		if err := r.Error(); err != nil {
			return false, err
		}
	}
	call, cancel := c.link.Deadlines.Begin(ctx)
	defer cancel()
	select {
	case <-arrived:
		return true, nil
	case <-call.Done():
		return notified.Load(), ctx.Err()
	}
}
