package ratelimit

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// A KeyFunc returns the key of the client that sent a request. Requests with the same key
// share an allowance. It returns an error if it cannot identify the client. It must be safe
// for concurrent use.
type KeyFunc func(*http.Request) (key string, err error)

// ErrNoKey is returned for a request that lacks the data that a [KeyFunc] needs.
var ErrNoKey = errors.New("the request does not identify a client")

// ByHeader returns a KeyFunc that uses the value of a header field, such as an API key. A
// request without the field has no key. Use it only behind a handler that has verified the
// value: otherwise a client gets a new allowance with each invented value.
func ByHeader(name string) KeyFunc {
	return func(r *http.Request) (string, error) {
		v := r.Header.Get(name)
		if v == "" {
			return "", ErrNoKey
		}
		return "header:" + v, nil
	}
}

// ByUser returns a KeyFunc that uses the result of user, which may read the context that
// authentication has set. If the result is empty, the request has no key.
func ByUser(user func(*http.Request) string) KeyFunc {
	return func(r *http.Request) (string, error) {
		u := user(r)
		if u == "" {
			return "", ErrNoKey
		}
		return "user:" + u, nil
	}
}

// ByRoute returns a KeyFunc that uses the pattern of mux that matches the request, such as
// "GET /users/{id}": each route has its own allowance. Requests that match no pattern share
// one. mux must have its patterns before the first request. If mux is nil, the pattern is
// Request.Pattern, which a mux sets for the handlers in it; a request without one has no key.
//
// For an allowance by route and client, use Each(ByRoute(mux), ByIP()).
func ByRoute(mux *http.ServeMux) KeyFunc {
	return func(r *http.Request) (string, error) {
		if mux != nil {
			_, pattern := mux.Handler(r)
			return "route:" + pattern, nil
		}
		if r.Pattern == "" {
			return "", ErrNoKey
		}
		return "route:" + r.Pattern, nil
	}
}

// First returns a KeyFunc that uses the first of fs that succeeds: by user, for example,
// and by IP address for anonymous clients.
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

// Each returns a KeyFunc that combines the keys of all fs: requests share an allowance if
// all keys are equal. It fails if one of fs fails.
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

// join returns an unambiguous concatenation of parts: each part is preceded by its length.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}
