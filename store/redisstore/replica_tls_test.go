package redisstore_test

import (
	"fmt"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
)

// Replicas are read over TLS, with the authority, client certificate and password of the URL, by
// address and name.
func TestReadReplicas_tls(t *testing.T) {
	primary := redistest.Start(t, &redistest.Options{TLS: true, Password: "p@ss", Config: []string{"tls-auth-clients yes"}})
	replica := redistest.StartReplica(t, primary)
	do(t, replica, "CONFIG", "SET", "tls-auth-clients", "yes")
	cert, key := primary.CertFiles()
	port := fmt.Sprint(replica.Port())
	for name, test := range map[string]struct{ replica, serverName string }{
		"address": {"127.0.0.1:" + port, ""}, "name": {"localhost:" + port, ""}, "other name": {"127.0.0.1:" + port, "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			params := []string{"ca_file", cert, "cert_file", cert, "key_file", key, "replica", test.replica}
			if test.serverName != "" {
				params = append(params, "server_name", test.serverName)
			}
			url := withParameters(primary.URL(), params...)
			d := &redisstore.Dialer{Timeout: patience, ReadReplicas: true}
			c, err := d.DialURL(url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			s := strings(c, prefix())
			set(t, s, "k", padded("v"))
			waitUsed(t, s, c, "k")
			found, err := d.DiagnoseURL(ctx, url, "p:")
			for _, f := range found {
				if f.Check == "read-replicas" {
					t.Error(f)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A replica over TLS is known by its own host: one that its certificate lacks is not read.
func TestReadReplicas_tlsHost(t *testing.T) {
	primary := redistest.Start(t, &redistest.Options{TLS: true})
	replica := redistest.StartReplica(t, primary)
	cert, _ := primary.CertFiles()
	forward(t, fmt.Sprintf("127.0.0.2:%d", replica.Port()), replica.Addr())
	c, err := (&redisstore.Dialer{Timeout: patience, ReadReplicas: true}).DialURL(withParameters(primary.URL(), "ca_file", cert, "replica", fmt.Sprintf("127.0.0.2:%d", replica.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := strings(c, "p:")
	set(t, s, "k", padded("v"))
	redistest.WaitFor(t, "the host to be refused", func() bool {
		get(t, s, "k", padded("v"))
		return stdstrings.Contains(c.Health().ReplicaError, "127.0.0.2") && stdstrings.Contains(c.Health().ReplicaError, "certificate")
	})
}
