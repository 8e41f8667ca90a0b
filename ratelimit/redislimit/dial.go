package redislimit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/store"
)

// Dial returns a client for a [Limiter], with the settings of opt. It has one connection
// per node. Concurrent calls share packets on it, and a call that is cancelled does not
// close it. Therefore Dial ignores PipelineMultiplex, BlockingPipeline, AlwaysPipelining
// and DisableCache of opt. The caller must close the client after its limiters. If Redis is
// unreachable, the error wraps store.ErrUnavailable; if it rejects the credentials,
// store.ErrAuth.
//
// If a server has become a replica, a Limiter dials its address again. It thus follows a
// DNS name or a virtual IP address to a new primary.
func Dial(opt rueidis.ClientOption) (rueidis.Client, error) {
	own := opt
	conns := &redisdial.Conns{}
	opt.PipelineMultiplex, opt.BlockingPipeline = -1, -1
	opt.AlwaysPipelining, opt.DisableCache = true, true
	redisdial.LimitRedirects(&opt)
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
		return conns.Dial(ctx, &own, addr, d, conf)
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, failed("dial", "", unconnected(&own, err))
	}
	return &dialled{c, conns}, nil
}

// A dialled is a client that can replace its connections.
type dialled struct {
	rueidis.Client
	conns *redisdial.Conns
}

// unconnected converts an error of rueidis.NewClient. An error that is neither a reply nor
// a network error is about the settings, and states so.
func unconnected(opt *rueidis.ClientOption, err error) error {
	var network net.Error
	var refused *redisdial.RefusedError
	cause := err
	switch {
	case replyText(err) != "":
		cause = rediserr.Reply(replyText(err), err)
	case errors.As(err, &refused):
		cause = fmt.Errorf("%w: %w", store.ErrUnavailable, rediserr.Reply(refused.Reply, err))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		cause = errNoAnswer
	case errors.As(err, &network), redisdial.IsClosed(err):
		cause = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	default:
		return err
	}
	return redisdial.Explain(opt, err, cause)
}
