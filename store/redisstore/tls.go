package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/redis/rueidis"
)

// useTLS sets what the parameters of a URL say about TLS. Behind sentinels, which rueidis
// asks without TLS otherwise, and with replicas each server is known by its own address.
func useTLS(opt *rueidis.ClientOption, q url.Values) error {
	ca, cert, key := q.Get("ca_file"), q.Get("cert_file"), q.Get("key_file")
	conf := opt.TLSConfig
	switch {
	case conf == nil && (ca != "" || cert != "" || key != "" || q.Has("server_name")):
		return errors.New("ca_file, cert_file, key_file and server_name need TLS: use rediss:// or valkeys://")
	case conf == nil:
		return nil
	case (cert == "") != (key == ""):
		return errors.New("cert_file and key_file go together")
	}
	if opt.Sentinel.MasterSet != "" {
		opt.Sentinel.TLSConfig = conf
	}
	if opt.Sentinel.MasterSet != "" || len(opt.Standalone.ReplicaAddress) > 0 {
		conf.ServerName = "" // that of the host that is dialled
	}
	if q.Has("server_name") {
		conf.ServerName = q.Get("server_name")
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca_file %s: no certificate in PEM form", ca)
		}
	}
	if cert != "" {
		return present(conf, cert, key)
	}
	return nil
}

// present has conf present the certificate of two files, which are read again for each
// connection: certificates are replaced before they expire.
func present(conf *tls.Config, cert, key string) error {
	read := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		return &c, nil
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	_, err := read()
	return err
}
