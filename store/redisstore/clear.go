package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// Clear makes every entry unusable that was set before the call, with two exchanges, whatever the
// number of entries. The store keeps the time of the Clear in Redis, and ignores entries with an
// earlier stamp. Redis removes them when they expire, or when it evicts them;
// [Store.DeletePattern] frees the memory immediately. Counters stay.
//
// In a cluster that time may be on another node than an entry, so that another process may still
// find an entry for a moment. Clear then returns when that is over, after
// [Dialer].MaxDisconnected and a tenth of it. If ctx ends first, the store is cleared, and the
// error is that of ctx.
func (s *view) Clear(ctx context.Context) error {
	ctx, end := store.Observe(ctx, s.observer, s.op("clear", "", 0))
	err := s.tags.Raise(ctx, 0, s.tags.ClearedKey(s.prefix))[0]
	s.cleared.Drop()
	if err == nil || errors.Is(err, store.ErrReplicas) {
		err = link.FirstOf(s.client.awaitNotice(ctx), err)
	}
	if err != nil {
		err = s.failWrite(ctx, "clear", "", err)
	}
	end(0, err)
	return err
}

// awaitNotice waits until no process serves what it was not notified of: in a cluster
// until it has noticed, elsewhere until Redis is notifying it.
func (c *Client) awaitNotice(ctx context.Context) error {
	l := c.link.Pair.Load()
	if c.link.MaxStale > 0 { // every strict read asks
		return nil
	}
	if l == nil || l.W.Mode() != rueidis.ClientModeCluster {
		return c.heartbeat.Turn(ctx)
	}
	t := time.NewTimer(max(c.heartbeat.MaxDisconnected, 0) * 11 / 10)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
