package redisdial

import (
	"net"

	"github.com/redis/rueidis"
)

// WithHost adds a host to an addr that has none. A cluster that hides the hosts of its
// nodes sends such addresses, in redirections too. The node is then at the host that
// answered, which WithHost takes from the first address of opt.
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

// LimitRedirects makes a call fail that the nodes of a cluster redirect repeatedly, as they
// do while they disagree. rueidis would follow until the context ends.
func LimitRedirects(opt *rueidis.ClientOption) {
	if opt.ClusterOption.MaxMovedRedirections == 0 {
		opt.ClusterOption.MaxMovedRedirections = 16
	}
}
