package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// IPOptions configure [IPOptions.ByIP]. With the zero IPOptions no proxy is trusted.
type IPOptions struct {
	// Trusted are the addresses of the proxies that may set X-Forwarded-For. Nil: none.
	Trusted []netip.Prefix

	// TrustUnix trusts every peer on a Unix socket as a proxy: file permissions control
	// which processes can connect. So does a Trusted list that covers all IPv4 or all IPv6
	// addresses. False: a request over a Unix socket has no key.
	TrustUnix bool
}

// ByIP is [IPOptions.ByIP] with a list of trusted proxies.
func ByIP(trusted ...netip.Prefix) KeyFunc { return (&IPOptions{Trusted: trusted}).ByIP() }

// ByIP returns a KeyFunc that uses the IP address of the client. Of an IPv6 address it uses
// the first 64 bits: a client has at least that many addresses and could use a new one for
// each request.
//
// The address is that of the peer of the connection, with or without a port. If the peer is
// a trusted proxy, ByIP reads X-Forwarded-For from the right, skips trusted proxies, and
// uses the first other address. Entries further left may be forged. If the field is
// missing, or has no valid address where one is needed, the key is the address of the last
// proxy.
//
// The error is [ErrNoKey] if the peer is neither an address nor a trusted Unix socket.
// Later changes of o have no effect on the KeyFunc.
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
			return "ip:unix", nil // the proxy itself sent the request
		}
		return "ip:" + network(client(last, hops[:len(hops)-1], trusted)), nil
	}
}

// isUnix reports whether remote is the peer of a Unix socket in the notation of net/http: a
// path, an abstract name, or an empty string for an unnamed peer.
func isUnix(remote string) bool {
	return remote == "" || remote[0] == '@' || remote[0] == '/'
}

// client returns the first address that is not a trusted proxy: at, then hops from the
// right.
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

// parseAddr parses an address with an optional port and zone, also as "[address]:port".
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

// plain returns the canonical form of an address.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// plainPrefix returns the canonical form of a prefix. A prefix of IPv4-mapped IPv6
// addresses becomes an IPv4 prefix.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// network returns the part of an address that identifies a client.
func network(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64) // always valid for an IPv6 address
	return p.String()
}
