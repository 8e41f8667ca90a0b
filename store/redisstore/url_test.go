package redisstore_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// withParameters adds names and values to a URL.
func withParameters(base string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return base + "?" + q.Encode()
}

func TestDialURL_tls(t *testing.T) {
	open := redistest.Start(t, &redistest.Options{TLS: true, Password: "p"})
	ca, _ := open.CertFiles()
	roundTrip(t, dialURL(t, withParameters(open.URL(), "ca_file", ca)))

	strict := redistest.Start(t, &redistest.Options{TLS: true, Config: []string{"tls-auth-clients yes"}})
	cert, key := strict.CertFiles()
	roundTrip(t, dialURL(t, withParameters(strict.URL(), "ca_file", cert, "cert_file", cert, "key_file", key)))
	byName := stdstrings.Replace(strict.URL(), "127.0.0.1", "localhost", 1)
	roundTrip(t, dialURL(t, withParameters(byName, "ca_file", cert, "cert_file", cert, "key_file", key)))

	for what, u := range map[string]string{
		"unknown authority":     open.URL(),
		"another authority":     withParameters(open.URL(), "ca_file", cert),
		"another name":          withParameters(open.URL(), "ca_file", ca, "server_name", "redis.example"),
		"no client certificate": withParameters(strict.URL(), "ca_file", cert),
	} {
		if c, err := redisstore.DialURL(u); err == nil {
			c.Close()
			t.Errorf("%s: connected", what)
		}
	}
}

// TestDialURL_newCertificate: the certificate of the client is replaced while it runs, as it
// is before it ends.
func TestDialURL_newCertificate(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{TLS: true, Config: []string{"tls-auth-clients yes"}})
	ca, key := s.CertFiles()
	dir := t.TempDir()
	ownCert, ownKey := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	other := redistest.Start(t, &redistest.Options{TLS: true})
	otherCert, otherKey := other.CertFiles()
	put := func(cert, key string) {
		for to, from := range map[string]string{ownCert: cert, ownKey: key} {
			b, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put(otherCert, otherKey)
	d := &redisstore.Dialer{Timeout: patience, Lazy: true}
	c, err := d.DialURL(withParameters(s.URL(), "ca_file", ca, "cert_file", ownCert, "key_file", ownKey))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("with the certificate of another server: %v", err)
	}
	put(ca, key)
	for end := time.Now().Add(patience); c.Ping(ctx) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("with the new certificate: %v", c.Ping(ctx))
		}
	}
}

func TestDialURL_sentinelOverTLS(t *testing.T) {
	primary, sentinel := redistest.StartSentinelTLS(t)
	ca, _ := primary.CertFiles()
	roundTrip(t, dialURL(t, withParameters("rediss://"+sentinel.Addr(), "master_set", redistest.MasterSet, "ca_file", ca)))
}

// The nodes of a cluster have a certificate for the host of the URL, or for server_name.
func TestDialURL_clusterOverTLS(t *testing.T) {
	cl := redistest.StartClusterTLS(t, 2)
	ca, _ := cl.Nodes[0].CertFiles()
	for name, u := range map[string]string{
		"host of the URL": withParameters(cl.Nodes[0].URL(), "ca_file", ca),
		"server_name":     withParameters(fmt.Sprintf("rediss://[::ffff:127.0.0.1]:%d", cl.Nodes[0].Port()), "ca_file", ca, "server_name", "localhost"),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialURL(t, u)
			s := strings(c, prefix())
			for _, key := range []string{"a", "b", "c", "d", "e"} { // on both nodes
				set(t, s, key, "v")
				get(t, s, key, "v")
			}
			if err := c.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	if c, err := redisstore.DialURL(withParameters(cl.Nodes[0].URL(), "ca_file", ca, "server_name", "redis.example")); err == nil {
		c.Close()
		t.Error("connected under another name")
	}
}

func TestDialURL_unixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	redistest.Start(t, &redistest.Options{Config: []string{"unixsocket " + socket}})
	roundTrip(t, dialURL(t, "unix://"+socket+"?db=1"))
}

func TestDialURL_ipv6(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Config: []string{"bind 127.0.0.1 ::1"}})
	roundTrip(t, dialURL(t, fmt.Sprintf("redis://[::1]:%d", s.Port())))
}

func TestDialURL_parameters(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing.pem")
	noPEM := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noPEM, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for u, want := range map[string]string{
		"redis://localhost?dail_timeout=1s":                                "unknown URL parameter: want one of addr, ca_file",
		"http://localhost":                                                 "invalid URL scheme: want redis://, rediss:// (TLS), valkey://, valkeys:// (TLS) or unix://",
		"tls://localhost:6379":                                             "want redis://, rediss:// (TLS), valkey://, valkeys:// (TLS) or unix://",
		"localhost":                                                        "want redis://, rediss:// (TLS), valkey://, valkeys:// (TLS) or unix://",
		"valkey://localhost?ca_file=" + noPEM:                              "use rediss:// or valkeys://",
		"redis://localhost?ca_file=" + noPEM:                               "use rediss://",
		"unix:///run/redis.sock?server_name=x":                             "use rediss://",
		"rediss://localhost?cert_file=" + noPEM:                            "cert_file and key_file go together",
		"rediss://localhost?key_file=" + noPEM:                             "cert_file and key_file go together",
		"rediss://localhost?ca_file=" + nothing:                            "no such file",
		"rediss://localhost?ca_file=" + noPEM:                              "no certificate in PEM form",
		"rediss://localhost?cert_file=" + nothing + "&key_file=" + nothing: "no such file",
		"rediss://localhost?cert_file=" + noPEM + "&key_file=" + noPEM:     "cert_file and key_file: ",
	} {
		if _, err := redisstore.DialURL(u); err == nil || !stdstrings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", u, err, want)
		}
	}
}
