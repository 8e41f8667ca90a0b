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

// Dial connects as opt says and returns a client as a [Limiter] wants it: one connection
// to each node, on which those who ask at the same time share packets, and which a
// caller that gives up leaves alone. That is where PipelineMultiplex, BlockingPipeline,
// AlwaysPipelining and DisableCache of opt are not looked at; all else is used as it is. The
// error is store.ErrUnavailable if Redis cannot be reached, and store.ErrAuth if it
// refuses the credentials. The caller closes the client,
// when no limiter uses it any more.
//
// When a server turns out to be a replica, a Limiter dials the address again, so that it
// follows a DNS name or a virtual IP address that leads to another primary.
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

// A dialled is a client whose connections can be replaced.
type dialled struct {
	rueidis.Client
	conns *redisdial.Conns
}

// unconnected says what the error of rueidis.NewClient means to the caller. What is neither
// a reply nor about the network is about the settings, and says so.
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
