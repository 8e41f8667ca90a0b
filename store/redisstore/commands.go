package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// Do calls f with the connection that stores write over, for other commands of the program.
// f must use its context, and must not close the client. key is the Redis key of the
// commands, for which the circuit breaker decides whether Redis is called; with an empty key
// it always is. Errors are those of stores: ErrUnavailable, [store.ErrAuth], ErrClosed, the error
// of ctx, or what f returns.
func (c *Client) Do(ctx context.Context, key string, f func(context.Context, rueidis.Client) error) error {
	var l *link.Pair
	var err error
	if key == "" {
		l, err = c.link.Connected(ctx)
	} else {
		l, err = c.link.Reach(ctx, key)
	}
	if err == nil {
		err = f(ctx, l.W)
	}
	cause := err
	if err != nil {
		cause = c.link.Cause(ctx, err)
	}
	var reply *rueidis.RedisError
	switch {
	case err == nil, errors.As(err, &reply):
		if c.link.Breakers.Troubled.Load() {
			c.link.Breakers.Succeeded(key)
		}
	case errors.Is(cause, store.ErrUnavailable) && !link.IsOurs(err):
		c.link.Breakers.Failed(key)
	}
	return cause
}

// Broadcasts reports whether Redis pushes every change of keys with this prefix to c: see
// [Dialer.Broadcast].
func (c *Client) Broadcasts(prefix string) bool {
	return slices.ContainsFunc(c.link.Broadcast, func(p string) bool { return strings.HasPrefix(prefix, p) })
}
