package ratelimit

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A KeyFunc says who a request is from: requests of one key share an allowance. Its
// error says that it cannot tell. It may be called concurrently.
type KeyFunc func(*http.Request) (key string, err error)

// ErrNoKey says that a request does not have what a [KeyFunc] looks for.
var ErrNoKey = errors.New("the request does not say who it is from")

// ByIP tells clients apart by their IP address; of IPv6 by the first 64 bits, since a
// client has at least so many addresses that it would never run out of new ones.
//
// The address is that of the peer of the connection. Only if that is one of the trusted
// proxies, X-Forwarded-For is looked at: it is read from the right, past addresses of
// trusted proxies, to the first one that is not. What stands further left anybody may
// have written. If it is missing or no address where one is needed, the key is that of
// the last proxy.
func ByIP(trusted ...netip.Prefix) KeyFunc {
	trusted = slices.Clone(trusted)
	return func(r *http.Request) (string, error) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return "", ErrNoKey
		}
		return "ip:" + network(client(peer.Addr(), r.Header.Values("X-Forwarded-For"), trusted)), nil
	}
}

// client returns the address of the client that peer forwards for.
func client(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	at := plain(peer)
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(at, trusted); i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			return at
		}
		at = hop
	}
	return at
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, error) {
	if hop, err := netip.ParseAddrPort(s); err == nil {
		return plain(hop.Addr()), nil
	}
	hop, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return plain(hop), err
}

// plain returns the one way to write an address.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

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

// ByHeader tells clients apart by the value of a header field, such as that of an API
// key. Without it there is no key. Only use it behind what has checked the value: who
// makes up a new one each time has a new allowance each time.
func ByHeader(name string) KeyFunc {
	return func(r *http.Request) (string, error) {
		v := r.Header.Get(name)
		if v == "" {
			return "", ErrNoKey
		}
		return "header:" + v, nil
	}
}

// ByUser tells clients apart by what user returns, from the context of the request for
// instance, where authentication left it. If that is empty there is no key.
func ByUser(user func(*http.Request) string) KeyFunc {
	return func(r *http.Request) (string, error) {
		u := user(r)
		if u == "" {
			return "", ErrNoKey
		}
		return "user:" + u, nil
	}
}

// First returns the key of the first of fs that can tell: by user, for instance, and
// for those who are nobody yet by IP address.
func First(fs ...KeyFunc) KeyFunc {
	return func(r *http.Request) (string, error) {
		for _, f := range fs {
			if key, err := f(r); err == nil {
				return key, nil
			}
		}
		return "", ErrNoKey
	}
}

// Each returns a key of all keys of fs: requests share an allowance if they agree in
// each. All must be able to tell.
func Each(fs ...KeyFunc) KeyFunc {
	return func(r *http.Request) (string, error) {
		parts := make([]string, len(fs))
		for i, f := range fs {
			key, err := f(r)
			if err != nil {
				return "", err
			}
			parts[i] = key
		}
		return join(parts...), nil
	}
}

// join returns one string of several, another one for others: each has its length
// before it.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}
