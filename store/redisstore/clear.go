package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Clear makes every entry unusable that was set before the call, with two exchanges,
// however many there are: the store notes when it was cleared, and what was stamped
// before does not count. Redis forgets the entries at the end of their lives, or when
// it needs the room; [Store.DeletePattern] frees it at once. Counters stay.
//
// In a cluster the note may be on another node than an entry, so that one process may
// find what another has just cleared: Clear then returns when that is over, which takes
// [Dialer].MaxUnheard and a tenth more. If ctx ends first, the store is cleared, and
// the error is that of ctx.
func (s *Store[T]) Clear(ctx context.Context) error {
	ctx, end := store.Observe(ctx, s.observer, s.op("clear", "", 0))
	err := s.tags.raise(ctx, 0, s.tags.clearedKey(s.prefix))[0]
	s.cleared.drop()
	if err == nil || errors.Is(err, store.ErrReplicas) {
		err = firstOf(s.client.unheard(ctx), err)
	}
	if err != nil {
		err = s.failWrite(ctx, "clear", "", err)
	}
	end(0, err)
	return err
}

// unheard waits until no process can do what it has not been told of: in a cluster
// until it has noticed, elsewhere until it is being told.
func (c *Client) unheard(ctx context.Context) error {
	l := c.links.Load()
	if c.maxStale > 0 { // every strict read asks
		return nil
	}
	if l == nil || l.w.Mode() != rueidis.ClientModeCluster {
		return c.turn(ctx)
	}
	t := time.NewTimer(max(c.pulse.most, 0) * 11 / 10)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
