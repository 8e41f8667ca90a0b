package ratelimit

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// A KeyFunc says who a request is from: requests of one key share an allowance. Its
// error says that it cannot tell. It may be called concurrently.
type KeyFunc func(*http.Request) (key string, err error)

// ErrNoKey says that a request does not have what a [KeyFunc] looks for.
var ErrNoKey = errors.New("the request does not say who it is from")

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
