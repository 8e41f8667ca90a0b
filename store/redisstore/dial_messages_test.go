package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// password stands in every URL of these tests, and in no message.
const password = "hunter2"

// An unconnected is a URL that does not work, and what its error says.
type unconnected struct {
	url  string
	is   error // what the error is; nil: neither ErrUnavailable nor ErrAuth
	says []string
}

// at returns a URL with the password.
func at(scheme, addr, rest string) string { return scheme + "://:" + password + "@" + addr + rest }

// answering returns the address of a server that answers a command with an error.
func answering(t *testing.T, command, text string) string {
	t.Helper()
	r := redistest.StartRewriter(t, server(t).Addr())
	r.Answer(func(args []string) bool {
		return stdstrings.HasPrefix(stdstrings.ToUpper(stdstrings.Join(args, " ")), command)
	}, text)
	return r.Addr()
}

// full returns a server that has no room for a client.
func full(t *testing.T) *redistest.Server {
	return redistest.Start(t, &redistest.Options{Config: []string{"maxclients 1"}}) // redistest is the one
}

// noDatabase returns what the error of database 1 says on a node of a cluster. Clusters of
// Valkey 9 may have several databases, and have one by default.
func noDatabase(node *redistest.Server) []string {
	if _, err := node.Do("SELECT", "1"); err == nil || !stdstrings.Contains(err.Error(), "out of range") {
		return []string{"SELECT is not allowed", "remove the database number"}
	}
	return []string{"DB index is out of range", "lower database number", "cluster-databases"}
}

func unconnectedURLs(t *testing.T) map[string]unconnected {
	t.Helper()
	locked := redistest.Start(t, &redistest.Options{Password: password})
	secure := redistest.Start(t, &redistest.Options{Password: password, TLS: true})
	gone := redistest.Start(t, nil)
	gone.Kill()
	hole := redistest.StartProxy(t, locked.Addr())
	hole.Hole(true)
	node, sentinels := cluster(t).Nodes[0], redistest.StartSentinel(t).Addrs()
	unavailable, auth := store.ErrUnavailable, store.ErrAuth
	return map[string]unconnected{
		"TLS to a plain port":         {at("rediss", locked.Addr(), "?dial_timeout=300ms"), unavailable, []string{"no answer to the TLS handshake", "redis:// instead of rediss://"}},
		"plain to a TLS port":         {at("redis", secure.Addr(), ""), unavailable, []string{"rediss:// instead of redis://"}},
		"unknown authority":           {at("rediss", secure.Addr(), ""), unavailable, []string{"unknown authority", "RootCAs"}},
		"database":                    {at("redis", locked.Addr(), "/99"), nil, []string{"DB index is out of range", "lower database number"}},
		"database of a cluster":       {"redis://" + node.Addr() + "/1", nil, noDatabase(node)},
		"several that are no cluster": {"redis://" + server(t).Addr() + "?addr=" + server(t).Addr(), nil, []string{"cluster support disabled", "one address only"}},
		"master name":                 {"redis://" + sentinels[0] + "?master_set=wrong", nil, []string{"No such master", "SENTINEL MASTERS"}},
		"sentinels without a name":    {"redis://" + sentinels[0], nil, []string{"is a sentinel", "set master_set"}},
		"no sentinel":                 {at("redis", server(t).Addr(), "?master_set=m"), nil, []string{"unknown command 'SENTINEL'", "remove master_set"}},
		"protected mode":              {at("redis", answering(t, "HELLO", "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user."), ""), auth, []string{"protected mode", "set a password on the server"}},
		"no password":                 {"redis://" + locked.Addr(), auth, []string{"NOAUTH", "RedisPassword"}},
		"wrong password":              {at("redis", redistest.Start(t, &redistest.Options{Password: "another"}).Addr(), ""), auth, []string{"WRONGPASS", "must be escaped"}},
		"unknown user":                {"redis://bob:" + password + "@" + locked.Addr(), auth, []string{"WRONGPASS", "check the user"}},
		"password for none":           {at("redis", answering(t, "HELLO", "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"), ""), auth, []string{"without any password", "remove it here"}},
		"HELLO unknown":               {at("redis", answering(t, "HELLO", "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' '"+password+"'"), ""), nil, []string{"HELLO 3 is refused", "Redis 6 or later", "strata.NoTracking (STRATA_TRACKING=off)"}},
		"HELLO quoted":                {at("redis", answering(t, "HELLO", "ERR proxy: no HELLO 3 AUTH default "+password), ""), nil, []string{"no HELLO 3 AUTH default ***", "strata.NoTracking"}},
		"RESP3 refused":               {at("redis", answering(t, "HELLO", "NOPROTO unsupported protocol version"), ""), nil, []string{"NOPROTO", "Redis 6 or later", "strata.NoTracking"}},
		"no tracking":                 {at("redis", answering(t, "CLIENT TRACKING", "ERR unknown subcommand 'TRACKING'. Try CLIENT HELP."), ""), nil, []string{"unknown subcommand 'TRACKING'", "a proxy in front of it", "strata.NoTracking"}},
		"too many clients":            {at("redis", full(t).Addr(), ""), unavailable, []string{"max number of clients", "raise maxclients"}},
		"nothing listens":             {at("redis", gone.Addr(), ""), unavailable, []string{"refused", "that the server is running"}},
		"swallowed":                   {at("redis", hole.Addr(), "?dial_timeout=300ms"), unavailable, []string{"no answer in time", "firewall"}},
	}
}

// The error of a connection that cannot be made is one line with the address, the cause
// and the remedy, and without the password. Health says the same.
func TestDial_messages(t *testing.T) {
	for name, u := range unconnectedURLs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := (&redisstore.Dialer{Timeout: patience}).DialURL(u.url)
			explained(t, err, u)
			lazy, err := (&redisstore.Dialer{Lazy: true, Timeout: patience}).DialURL(u.url)
			if u.is != store.ErrUnavailable {
				explained(t, err, u)
				return
			}
			if err != nil {
				t.Fatalf("with Lazy: %v", err)
			}
			defer lazy.Close()
			explained(t, fmt.Errorf("%w: %s", u.is, lazy.Health().LastError), u)
		})
	}
}

func explained(t *testing.T, err error, u unconnected) {
	t.Helper()
	if err == nil {
		t.Fatal("it connected")
	}
	text := err.Error()
	parsed, parseErr := url.Parse(u.url)
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	for _, want := range append(u.says, parsed.Host) {
		if !stdstrings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
	for _, is := range []error{store.ErrUnavailable, store.ErrAuth} {
		if errors.Is(err, is) != (u.is == is) {
			t.Errorf("is %v: %v, of %v", is, errors.Is(err, is), err)
		}
	}
	if stdstrings.Contains(text, password) || stdstrings.Contains(text, "\n") {
		t.Errorf("not one line without the password: %q", text)
	}
}

// A context that ends first is distinguished from a server that does not answer.
func TestDialContext_message(t *testing.T) {
	hole := redistest.StartProxy(t, server(t).Addr())
	hole.Hole(true)
	call, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := (&redisstore.Dialer{Timeout: patience}).DialURLContext(call, at("redis", hole.Addr(), ""))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	explained(t, err, unconnected{url: at("redis", hole.Addr(), ""), is: store.ErrUnavailable, says: []string{"no answer", "firewall"}})
}
