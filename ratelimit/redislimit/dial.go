package redislimit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

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
		var network net.Error
		if text := replyText(err); text != "" {
			err = rediserr.Reply(text, err)
		} else if errors.As(err, &network) { // else rueidis does not like the settings
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return nil, failed("dial", "", err)
	}
	return &dialled{c, conns}, nil
}

// A dialled is a client whose connections can be replaced.
type dialled struct {
	rueidis.Client
	conns *redisdial.Conns
}
