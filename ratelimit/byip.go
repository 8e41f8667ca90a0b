package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// IPOptions configure [IPOptions.ByIP]. The zero IPOptions trust no proxy.
type IPOptions struct {
	// Trusted are the addresses of proxies whose X-Forwarded-For is believed.
	// Nil: none.
	Trusted []netip.Prefix

	// TrustUnix says that every peer on a Unix socket is a trusted proxy: only
	// those who may open the socket can connect. A Trusted list that covers all
	// IPv4 or all IPv6 addresses says the same. If it is false, a request over a
	// Unix socket has no key.
	TrustUnix bool
}

// ByIP is [IPOptions.ByIP] with a list of trusted proxies.
func ByIP(trusted ...netip.Prefix) KeyFunc { return (&IPOptions{Trusted: trusted}).ByIP() }

// ByIP tells clients apart by their IP address; of IPv6 by the first 64 bits, since a
// client has at least so many addresses that it would never run out of new ones.
//
// The address is that of the peer of the connection, with or without a port. Only if
// that is one of the trusted proxies, X-Forwarded-For is looked at: it is read from the
// right, past addresses of trusted proxies, to the first one that is not. What stands
// further left anybody may have written. If it is missing or no address where one is
// needed, the key is that of the last proxy.
//
// The error is [ErrNoKey] if the peer is neither an address nor a trusted Unix socket.
// The KeyFunc does not see later changes of o.
func (o *IPOptions) ByIP() KeyFunc {
	trusted := make([]netip.Prefix, len(o.Trusted))
	unix := o.TrustUnix
	for i, p := range o.Trusted {
		trusted[i] = plainPrefix(p)
		unix = unix || p.IsValid() && p.Bits() == 0
	}
	return func(r *http.Request) (string, error) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if peer, err := parseAddr(r.RemoteAddr); err == nil {
			return "ip:" + network(client(peer, hops, trusted)), nil
		}
		if !unix || !isUnix(r.RemoteAddr) {
			return "", ErrNoKey
		}
		last, err := parseAddr(hops[len(hops)-1])
		if err != nil {
			return "ip:unix", nil // the request is from the proxy itself
		}
		return "ip:" + network(client(last, hops[:len(hops)-1], trusted)), nil
	}
}

// isUnix reports whether remote is the peer of a Unix socket, as net/http names it: a
// path, an abstract name, or nothing where the peer has no name.
func isUnix(remote string) bool {
	return remote == "" || remote[0] == '@' || remote[0] == '/'
}

// client returns the first address, from at and then from the right of hops, that is
// not that of a trusted proxy.
func client(at netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	for i := len(hops) - 1; i >= 0 && isTrusted(at, trusted); i-- {
		hop, err := parseAddr(hops[i])
		if err != nil {
			return at
		}
		at = hop
	}
	return at
}

// parseAddr reads an address, with or without a port, brackets and a zone.
func parseAddr(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	if hop, err := netip.ParseAddrPort(s); err == nil {
		return plain(hop.Addr()), nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s, _ = strings.CutSuffix(inner, "]")
	}
	hop, err := netip.ParseAddr(s)
	return plain(hop), err
}

// plain returns the one way to write an address.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// plainPrefix is plain for a prefix: of IPv4 addresses mapped into IPv6, that of the
// IPv4 addresses.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// network returns what tells clients apart in an address.
func network(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64) // an IPv6 address has that many
	return p.String()
}
