package redisstore

import (
	"errors"
	"net/url"
	"strings"

	"github.com/redis/rueidis"
)

// errUnescaped says why a URL cannot be read, or not as it is meant.
var errUnescaped = errors.New("malformed URL: a user or password with one of / ? # % has to be escaped, as url.UserPassword does")

// parseURL reads the URL of a server, with blanks around it. Its errors quote nothing: any
// part of the URL may be a piece of the password.
func parseURL(text string) (rueidis.ClientOption, error) {
	text = strings.TrimSpace(text)
	if u, err := url.Parse(text); err == nil && misread(u) {
		return rueidis.ClientOption{}, errUnescaped
	}
	opt, err := rueidis.ParseURL(text)
	if err != nil {
		return opt, urlError(text, err)
	}
	return opt, nil
}

// misread reports whether the "@" behind a password ended up behind the host.
func misread(u *url.URL) bool {
	rest, _, _ := strings.Cut(u.RawQuery, "=")
	return u.Scheme != "unix" && strings.Contains(u.Path+u.Fragment+rest, "@")
}

// urlError says what is wrong with the URL that rueidis.ParseURL has refused.
func urlError(text string, err error) error {
	ours, ok := strings.CutPrefix(err.Error(), "redis: ")
	switch {
	case ok && strings.Contains(ours, "scheme"):
		return errors.New("invalid URL scheme: want redis://, rediss:// or unix://")
	case ok:
		what, _, _ := strings.Cut(ours, ":")
		return errors.New(what)
	case strings.Contains(text, "@"):
		return errUnescaped
	case !strings.Contains(text, "://"):
		return errors.New("malformed URL: want redis://, rediss:// or unix:// in front")
	}
	return errors.New("malformed URL")
}
