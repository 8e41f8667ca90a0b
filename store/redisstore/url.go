package redisstore

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/redis/rueidis"
)

// errUnescaped says why a URL cannot be read, or not as it is meant.
var errUnescaped = errors.New("malformed URL: a user or password with one of / ? # % has to be escaped, as url.UserPassword does")

// schemes are those that rueidis.ParseURL knows.
const schemes = "redis://, rediss:// (TLS), valkey://, valkeys:// (TLS) or unix://"

// parameters are those that rueidis.ParseURL, [useTLS] and [parseURL] read.
var parameters = []string{
	"addr", "ca_file", "cert_file", "client_cache", "client_name", "db", "dial_timeout", "key_file",
	"master_set", "max_retries", "protocol", "replica", "sentinel_password", "sentinel_user", "server_name", "skip_verify", "write_timeout",
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
	opt.Standalone.ReplicaAddress = q["replica"]
	opt.Sentinel.Username, opt.Sentinel.Password = q.Get("sentinel_user"), q.Get("sentinel_password")
	return opt, oneline.Join(checkParameters(q), useTLS(&opt, q))
}

// checkParameters refuses parameters that nobody reads.
func checkParameters(q url.Values) error {
	unknown := 0
	for name := range q {
		if !slices.Contains(parameters, name) {
			unknown++
		}
	}
	switch unknown {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("unknown URL parameter: want one of %s", strings.Join(parameters, ", "))
	}
	return fmt.Errorf("%d unknown URL parameters: want some of %s", unknown, strings.Join(parameters, ", "))
}

// CheckURL returns what is wrong with a URL for [Dialer.DialURL], without connecting, or nil.
func CheckURL(url string) error {
	_, err := parseURL(url)
	return err
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
		return errors.New("invalid URL scheme: want " + schemes)
	case ok:
		what, _, _ := strings.Cut(ours, ":")
		return errors.New(what)
	case strings.Contains(text, "@"):
		return errUnescaped
	case !strings.Contains(text, "://"):
		return errors.New("malformed URL: want " + schemes + " in front")
	}
	return errors.New("malformed URL")
}
