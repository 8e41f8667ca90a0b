package redislimit

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/store/redisstore"
)

// A conn is where a limiter sends its commands. One of its fields is set. It is no
// interface, so that the functions passed to do need no allocation.
type conn struct {
	client rueidis.Client     // of New
	shared *redisstore.Client // of On
}

// do calls f with a client for commands on key, a whole Redis key. An empty key: for no
// single one.
func (c *conn) do(ctx context.Context, key string, f func(context.Context, rueidis.Client) error) error {
	if c.shared != nil {
		return c.shared.Do(ctx, key, f)
	}
	return f(ctx, c.client)
}

// redial replaces connections to a server that is no longer a primary, and reports whether
// a server answers on the new ones.
func (c *conn) redial(ctx context.Context) bool {
	if c.shared == nil { // otherwise Do has replaced them
		d, ok := c.client.(*dialled)
		if !ok {
			return false
		}
		d.conns.Redial("")
	}
	const tries = 3 // the first may still use a connection that is being closed
	for range tries {
		err := c.do(ctx, "", func(ctx context.Context, r rueidis.Client) error {
			return r.Do(ctx, r.B().Ping().Build()).Error()
		})
		if err == nil {
			return true
		}
	}
	return false
}
