package redisdial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// A ConnectError states in one line why a connection failed: the address, the cause, and
// the remedy if one is known. It does not contain the password.
type ConnectError struct {
	text  string
	cause error
}

// Error returns "127.0.0.1:6379: unavailable: ...; check the host and the port".
func (e *ConnectError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.cause }

// remedies has the remedies for causes that contain a phrase. The first match applies.
var remedies = []struct{ phrase, remedy string }{
	{"first record does not look like a TLS handshake", noTLS},
	{"certificate required", "set ClientOption.TLSConfig.Certificates to a client certificate that the server accepts"},
	{"unknown authority", "add the authority to the certificates of the system, or set ClientOption.TLSConfig.RootCAs"},
	{"x509:", "connect to a name that the certificate has, or set ClientOption.TLSConfig.ServerName"},
	{"DB index is out of range", "use a lower database number, or raise \"databases\" (for a cluster of Valkey \"cluster-databases\") in the configuration of the server"},
	{"SELECT is not allowed", "a cluster has database 0 only: remove the database number"},
	{"cluster support disabled", "the server is not in a cluster: give one address only; several are for clusters and, with master_set, for sentinels"},
	{"unknown command 'SENTINEL'", "the address is not one of a sentinel: remove master_set, or give the addresses of the sentinels"},
	{"is a sentinel", "set master_set to the name of the primary, or give the address of a Redis server"},
	{"No such master", "set master_set to a name that the sentinels monitor (SENTINEL MASTERS lists them)"},
	{"protected mode", "set a password on the server, and give it here"},
	{"without any password configured", "the server has no password: remove it here, or set it on the server"},
	{"NOAUTH", "the server requires a password: redis://:password@host:port, or Config.RedisPassword"},
	{"WRONGPASS", "check the user and the password; in a URL, characters such as / ? # % must be escaped"},
	{"max number of clients", "raise maxclients on the server, or close other clients"},
	{"no such host", "check the name of the host"},
	{"connection refused", "check the host and the port, and that the server is running"},
	{"no such file", "check the path of the socket, and that the server is running"},
}

const (
	noAnswer = "check the host and the port, and that no firewall drops the packets"
	noTLS    = "if the server does not use TLS on this port, use redis:// instead of rediss://, or no TLSConfig"
	needsTLS = "the server closed the connection before it answered: if it requires TLS, use rediss:// instead of redis://, or set ClientOption.TLSConfig"
)

// Explain returns the error to report for a failed connection with opt. err is the error of
// rueidis; cause is its meaning for the caller, which errors.Is matches.
func Explain(opt *rueidis.ClientOption, err, cause error) error {
	text, remedy := cause.Error(), ""
	var handshake *HandshakeError
	if errors.As(err, &handshake) && isTimeout(err) {
		text = strings.Replace(text, "no answer in time", "no answer to the TLS handshake in time", 1)
		remedy = noTLS
	}
	if before, _, ok := strings.Cut(text, " because protected mode"); ok {
		text = before // a page of instructions
	}
	for _, r := range remedies {
		if remedy == "" && strings.Contains(text, r.phrase) {
			remedy = r.remedy
			if opt.Sentinel.MasterSet != "" && (r.phrase == "NOAUTH" || r.phrase == "WRONGPASS") {
				remedy += "; that of sentinels is sentinel_password"
			}
		}
	}
	if remedy == "" {
		remedy = remedyOf(opt, err)
	}
	if remedy != "" {
		text = strings.TrimRight(text, ".") + "; " + remedy
	}
	if addr := strings.Join(opt.InitAddress, ","); !strings.Contains(text, addr) {
		text = addr + ": " + text
	}
	text = strings.Join(strings.Fields(text), " ")
	return &ConnectError{text: conceal(text, opt.Password, opt.Sentinel.Password), cause: cause}
}

// remedyOf selects a remedy by the kind of err.
func remedyOf(opt *rueidis.ClientOption, err error) string {
	switch {
	case isTimeout(err) && opt.TLSConfig != nil:
		return noAnswer + "; " + noTLS
	case isTimeout(err):
		return noAnswer
	case opt.TLSConfig == nil && IsClosed(err):
		return needsTLS
	}
	return ""
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// IsClosed reports whether err means that the peer closed the connection.
func IsClosed(err error) bool {
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return true
		}
	}
	return false
}

// conceal replaces each of secrets that occurs as a word: a proxy may quote the command
// that it rejects.
func conceal(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		parts := strings.Split(text, secret)
		text = parts[0]
		for _, part := range parts[1:] {
			if endsInWord(text) || beginsWord(part) {
				text += secret + part
			} else {
				text += "***" + part
			}
		}
	}
	return text
}

func endsInWord(s string) bool { return s != "" && isWord(s[len(s)-1]) }
func beginsWord(s string) bool { return s != "" && isWord(s[0]) }

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// A HandshakeError reports a failed TLS handshake after a successful connection.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return fmt.Sprintf("TLS handshake: %s", e.Err) }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// A RefusedError reports a server that closed the connection, with its reply.
type RefusedError struct {
	Reply string // without the minus sign
	Err   error  // of the connection
}

func (e *RefusedError) Error() string { return strings.TrimPrefix(e.Reply, "ERR ") }

// Unwrap returns the error of the connection.
func (e *RefusedError) Unwrap() error { return e.Err }
