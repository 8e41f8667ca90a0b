package redislimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store/redisstore"
)

// A Backend has a connection to Redis that limiters share: a *strata.Backend, or a
// [Connection].
type Backend interface {
	// Redis returns the client, and the prefix of all keys. A nil client: there is no
	// Redis.
	Redis() (client *redisstore.Client, prefix string)
}

// On returns a limiter on the Redis of b. It uses the connection that b has, and follows its
// circuit breaker. Closing b ends the limiter. An empty Options.Prefix is the prefix of b
// and "limit:".
//
// If b has no Redis, as in tests and in a service of one process, the limiter decides in
// memory: each process has the fraction of the limits that Options.Fleet defines, and the
// Source of results is ratelimit.SourceLocal.
//
// A backend with Tracking Broadcast would push every decision to every process. On therefore
// returns an error unless Options.Prefix begins differently than the prefix of b.
func On(b Backend, o *Options, p ratelimit.Policy, more ...ratelimit.Policy) (*Limiter, error) {
	if b == nil || reflect.ValueOf(b).Kind() == reflect.Pointer && reflect.ValueOf(b).IsNil() {
		return newLimiter(nil, errors.New("the backend is nil; use strata.Open"), o, p, more)
	}
	client, prefix := b.Redis()
	if client == nil {
		return newLimiter(nil, nil, o, p, more)
	}
	var options Options
	if o != nil {
		options = *o
	}
	if options.Prefix == "" {
		options.Prefix = prefix + "limit:"
	}
	var err error
	if client.Broadcasts(options.Prefix) {
		err = fmt.Errorf("the prefix %q: the backend tracks changes by Broadcast, which would push every decision to every process; set Options.Prefix to one that does not begin with %q", options.Prefix, prefix)
	}
	return newLimiter(&conn{shared: client}, err, &options, p, more)
}

// A Connection is a Redis for limiters alone: see [DialURL]. A program with a strata.Backend
// does not need one. All methods are safe for concurrent use.
type Connection struct {
	client *redisstore.Client // nil: there is no Redis
	prefix string
}

// DialURL connects to the Redis of a URL, such as redis://user:password@host:6379 or
// rediss:// for TLS: see redisstore.Dialer.DialURL. The caller must close the connection.
//
// A Redis that is unreachable is no error: limiters use it as soon as it is reachable, and
// Options.OnFailure decides until then. If Redis rejects the credentials, the error wraps
// store.ErrAuth. ctx bounds how long DialURL waits.
func DialURL(ctx context.Context, url string) (*Connection, error) {
	client, err := (&redisstore.Dialer{Lazy: true, NoTracking: true}).DialURLContext(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Connection{client, defaultPrefix}, nil
}

// FromEnv is DialURL with environment variables: REDIS_URL, REDIS_PASSWORD,
// STRATA_REDIS_CA_FILE, STRATA_REDIS_CERT_FILE, STRATA_REDIS_KEY_FILE, and STRATA_PREFIX for
// the prefix of keys, as for strata.FromEnv. Without REDIS_URL, limiters decide in memory.
func FromEnv(ctx context.Context) (*Connection, error) {
	address, password, errs := redisdial.Env()
	if err := oneline.Join(errs...); err != nil {
		return nil, fmt.Errorf("redislimit: %w", err)
	}
	c := &Connection{}
	if address != "" {
		dialled, err := DialURL(ctx, redisdial.WithPassword(address, password))
		if err != nil {
			return nil, err
		}
		c = dialled
	}
	c.prefix = cmp.Or(os.Getenv("STRATA_PREFIX"), defaultPrefix)
	return c, nil
}

// defaultPrefix is that of a strata.Backend.
const defaultPrefix = "strata:"

// Redis implements [Backend].
func (c *Connection) Redis() (client *redisstore.Client, prefix string) { return c.client, c.prefix }

// Close closes the connection. Its limiters then decide as if Redis were unreachable.
func (c *Connection) Close() {
	if c.client != nil {
		c.client.Close()
	}
}
