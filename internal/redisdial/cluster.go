package redisdial

import (
	"net"

	"github.com/redis/rueidis"
)

// WithHost returns addr with a host. A cluster that does not tell the hosts of its nodes
// names addresses without one, in redirections too: such a node is at the host that was
// asked, which is taken to be that of the first address of opt.
func WithHost(opt *rueidis.ClientOption, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "" || len(opt.InitAddress) == 0 {
		return addr
	}
	if host, _, err = net.SplitHostPort(opt.InitAddress[0]); err != nil {
		return addr
	}
	return net.JoinHostPort(host, port)
}

// LimitRedirects makes a call fail that the nodes of a cluster redirect to one another
// again and again, as they do while they disagree. rueidis follows until the context ends.
func LimitRedirects(opt *rueidis.ClientOption) {
	if opt.ClusterOption.MaxMovedRedirections == 0 {
		opt.ClusterOption.MaxMovedRedirections = 16
	}
}
