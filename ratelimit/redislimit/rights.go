package redislimit

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redisrights"
	"github.com/lokroom/strata/store"
)

// needed are the rights that a limiter requires. Its scripts run with the rights of the
// user.
var needed = []redisrights.Right{
	redisrights.Script,
	redisrights.Of("eval", "return 1", "1", redisrights.Key),
	redisrights.Of("get", redisrights.Key),
	redisrights.Of("set", redisrights.Key, "", "XX"),
	redisrights.Of("del", redisrights.Key),
	redisrights.Of("time"),
	redisrights.Of("ping"), // rueidis sends it to detect dead connections
}

// neededInCluster is required in a cluster too. ASKING is not: without it, calls for keys
// of a moving slot fail until the move ends.
var neededInCluster = redisrights.Of("cluster|slots")

// Ping returns nil if Redis answers and the user of the client has the rights that l
// requires, on each reachable node of a cluster. If rights are missing, the error wraps
// store.ErrAuth and names them. If no node answers within Options.Timeout, it wraps
// store.ErrUnavailable; if ctx ends first, the error is that of ctx.
//
// Ping calls Redis even while other calls skip it. It changes nothing: it sends the
// commands of the limiter for keys that do not exist, named by its prefix and "rights".
// Without Redis it returns nil. Call it at startup. Later, Options.OnFailure decides if Redis refuses commands.
func (l *Limiter) Ping(ctx context.Context) error {
	if l.isZero() {
		return failed("ping", "", errZero)
	}
	if l.conn == nil {
		return nil
	}
	call, cancel := l.deadlines.Begin(ctx)
	defer cancel()
	err := l.conn.do(call, "", l.ping)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrAuth), errors.Is(err, errors.ErrUnsupported):
		return failed("ping", "", err)
	}
	return failed("ping", "", cause(ctx, err))
}

func (l *Limiter) ping(ctx context.Context, c rueidis.Client) error {
	n := redisrights.Needs{Rights: needed, Prefixes: []string{l.options.Prefix}}
	check := n.Check
	if c.Mode() == rueidis.ClientModeCluster {
		n.Rights = append(slices.Clone(needed), neededInCluster)
		check = n.CheckNode
	}
	var away error
	answered := false
	for addr, node := range c.Nodes() {
		switch err := check(ctx, node, addr); {
		case err == nil:
			answered = true
		case errors.Is(err, store.ErrAuth), errors.Is(err, errors.ErrUnsupported):
			return err
		default:
			away = err
		}
	}
	if answered {
		return nil
	}
	return away
}
