package redislimit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// Dial says the address, the cause and the remedy, as redisstore does.
func TestDial_messages(t *testing.T) {
	const password = "hunter2"
	plain := redistest.Start(t, &redistest.Options{Password: password})
	secure := redistest.Start(t, &redistest.Options{Password: password, TLS: true})
	full := redistest.Start(t, &redistest.Options{Config: []string{"maxclients 1"}}) // redistest is the one
	for name, c := range map[string]struct {
		server *redistest.Server
		set    func(o *rueidis.ClientOption)
		is     error // nil: neither ErrUnavailable nor ErrAuth
		says   []string
	}{
		"TLS to a plain port": {plain, func(o *rueidis.ClientOption) {
			o.TLSConfig, o.Dialer.Timeout = secure.TLSConfig(), 300*time.Millisecond
		}, store.ErrUnavailable, []string{"no answer to the TLS handshake", "redis:// instead of rediss://"}},
		"plain to a TLS port": {secure, func(*rueidis.ClientOption) {}, store.ErrUnavailable, []string{"rediss:// instead of redis://"}},
		"too many clients":    {full, func(*rueidis.ClientOption) {}, store.ErrUnavailable, []string{"max number of clients", "raise maxclients"}},
		"user":                {plain, func(o *rueidis.ClientOption) { o.Username = "bob" }, store.ErrAuth, []string{"WRONGPASS", "check the user"}},
		"database":            {plain, func(o *rueidis.ClientOption) { o.SelectDB = 99 }, nil, []string{"DB index is out of range", "lower database number"}},
	} {
		t.Run(name, func(t *testing.T) {
			opt := rueidis.ClientOption{InitAddress: []string{c.server.Addr()}, Password: password}
			c.set(&opt)
			client, err := redislimit.Dial(opt)
			if err == nil {
				client.Close()
				t.Fatal("it connected")
			}
			for _, want := range append(c.says, c.server.Addr()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in %q", want, err)
				}
			}
			for _, is := range []error{store.ErrUnavailable, store.ErrAuth} {
				if errors.Is(err, is) != (c.is == is) {
					t.Errorf("is %v: %v, of %v", is, errors.Is(err, is), err)
				}
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line without the password: %q", err)
			}
		})
	}
}
