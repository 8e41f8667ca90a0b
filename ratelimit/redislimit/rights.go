package redislimit

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redisrights"
	"github.com/lokroom/strata/store"
)

// needed are the rights without which a limiter does not work. Its scripts run with the
// rights of the user.
var needed = []redisrights.Right{
	redisrights.Script,
	redisrights.Of("eval", "return 1", "1", redisrights.Key),
	redisrights.Of("get", redisrights.Key),
	redisrights.Of("set", redisrights.Key, "", "XX"),
	redisrights.Of("del", redisrights.Key),
	redisrights.Of("time"),
	redisrights.Of("ping"), // rueidis sends it to find dead connections
}

// neededInCluster are needed as well in a cluster. ASKING concerns the one command behind it.
var neededInCluster = []redisrights.Right{redisrights.Of("asking"), redisrights.Of("cluster|slots")}

// Ping returns nil if Redis answers and the user of the client has the rights that l needs,
// on each node of a cluster that answers. If rights are missing, the error is store.ErrAuth
// and names them; it is store.ErrUnavailable if no node answers within Options.Timeout, and
// the error of ctx if that ends first. Ping asks Redis also while it is left alone, decides
// nothing and changes nothing: it sends the commands of the limiter for keys that do not
// exist, with its prefix and "rights".
//
// Call it at the start. Later, Options.OnFailure decides what a limiter does whose commands
// Redis refuses.
func (l *Limiter) Ping(ctx context.Context) error {
	if l.isZero() {
		return failed("ping", "", errZero)
	}
	call, cancel := l.deadlines.Begin(ctx)
	defer cancel()
	err := l.ping(call)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrAuth), errors.Is(err, errors.ErrUnsupported):
		return failed("ping", "", err)
	}
	return failed("ping", "", cause(ctx, err))
}

func (l *Limiter) ping(ctx context.Context) error {
	n := redisrights.Needs{Rights: needed, Prefixes: []string{l.options.Prefix}}
	check := n.Check
	if l.client.Mode() == rueidis.ClientModeCluster {
		n.Rights = slices.Concat(neededInCluster, needed)
		check = n.CheckNode
	}
	var away error
	answered := false
	for addr, node := range l.client.Nodes() {
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
