package redisstore

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/oneline"
)

// errUnescaped says why a URL cannot be read, or not as it is meant.
var errUnescaped = errors.New("malformed URL: a user or password with one of / ? # % has to be escaped, as url.UserPassword does")

// parameters are those that rueidis.ParseURL and [tlsFiles] read.
var parameters = []string{
	"addr", "ca_file", "cert_file", "client_cache", "client_name", "db", "dial_timeout", "key_file",
	"master_set", "max_retries", "protocol", "server_name", "skip_verify", "write_timeout",
}

// parseURL reads the URL of a server, with blanks around it. Its errors quote nothing but
// names of parameters and files: any other part of the URL may be a piece of the password.
func parseURL(text string) (rueidis.ClientOption, error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err == nil && misread(u) {
		return rueidis.ClientOption{}, errUnescaped
	}
	opt, err := rueidis.ParseURL(text)
	if err != nil {
		return opt, urlError(text, err)
	}
	q := u.Query()
	return opt, oneline.Join(checkParameters(q), useTLS(&opt, q))
}

// checkParameters refuses parameters that nobody reads.
func checkParameters(q url.Values) error {
	for name := range q {
		if !slices.Contains(parameters, name) {
			return fmt.Errorf("unknown URL parameter: want one of %s", strings.Join(parameters, ", "))
		}
	}
	return nil
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
