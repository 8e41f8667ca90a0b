package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
)

// reading is that of the client for a store that can read.
func (s *view) reading(ctx context.Context, keys ...string) (*link.Pair, error) {
	if s.blind != nil {
		return nil, s.blind
	}
	return s.client.reading(ctx, keys...)
}

// reading returns the connections for a read of keys after making sure that T is connected
// to a primary and its pushes arrive, as far as there are listeners. What is then read
// on T counts if no connection has come or gone meanwhile: see [heartbeat.Heartbeat.Unchanged].
func (c *Client) reading(ctx context.Context, keys ...string) (*link.Pair, error) {
	if err := c.link.Breakers.Allow(true, keys...); err != nil {
		return nil, err
	}
	l, err := c.link.Connected(ctx)
	if err == nil {
		err = c.heartbeat.Ensure(ctx)
	}
	return l, err
}

// Sync returns when the watchers of this client have been notified of every change that
// was answered to its writer, anywhere, before the call. It asks each primary once,
// together with all callers at the same time.
func (c *Client) Sync(ctx context.Context) error {
	call, cancel := c.link.Deadlines.Begin(ctx)
	defer cancel()
	if err := c.heartbeat.Sync(call); err != nil {
		return &store.Error{Store: link.StoreName, Op: "sync", Err: c.link.Cause(ctx, err)}
	}
	return nil
}

// touch uses the keys on which much depends. That it fails does no harm: if they
// are evicted, they are made again.
func (c *Client) touch(ctx context.Context) {
	call, cancel := c.link.Deadlines.Begin(ctx)
	defer cancel()
	for _, t := range c.tags.list() {
		if t.Touch(call) != nil {
			return
		}
	}
}

// changed notifies the watchers in this process of a change that this client has made, and
// with [Dialer.PubSub] those of others: Redis does not, without tracking.
func (c *Client) changed(keys []string) {
	c.watchers.Changed(keys, nil)
	c.announcer.announce(keys)
}
