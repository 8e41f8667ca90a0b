package redisdial

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Env returns the address and the password that environment variables define: REDIS_URL, with
// the files of STRATA_REDIS_CA_FILE, STRATA_REDIS_CERT_FILE and STRATA_REDIS_KEY_FILE as
// parameters, and REDIS_PASSWORD if REDIS_URL is set.
func Env() (address, password string, errs []error) {
	address = os.Getenv("REDIS_URL")
	if address != "" { // a password alone belongs to another program
		password = os.Getenv("REDIS_PASSWORD")
	}
	inURL := func(variable, parameter string) {
		v := os.Getenv(variable)
		switch {
		case v == "":
		case address == "":
			errs = append(errs, fmt.Errorf("%s=%q: %w", variable, v, errors.New("REDIS_URL is not set")))
		case strings.Contains(address, "?"):
			address += "&" + parameter + "=" + url.QueryEscape(v)
		default:
			address += "?" + parameter + "=" + url.QueryEscape(v)
		}
	}
	inURL("STRATA_REDIS_CA_FILE", "ca_file")
	inURL("STRATA_REDIS_CERT_FILE", "cert_file")
	inURL("STRATA_REDIS_KEY_FILE", "key_file")
	return address, password, errs
}

// WithPassword adds password to address, unless address has one.
func WithPassword(address, password string) string {
	if password == "" {
		return address
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return address // whatever dials it reports the error
	}
	if _, ok := u.User.Password(); !ok {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	return u.String()
}
