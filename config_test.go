package strata_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

func TestFromEnv(t *testing.T) {
	for name, v := range map[string]string{
		"REDIS_URL": "redis://localhost:6379", "REDIS_PASSWORD": "secret", "STRATA_REDIS_OPTIONAL": "true",
		"STRATA_PREFIX": "shop:", "STRATA_TRACKING": "broadcast", "STRATA_MEMORY": "64MiB", "STRATA_ENGINE": "Ristretto", "STRATA_MAX_DISCONNECTED": "500ms",
		"STRATA_WAIT_REPLICAS": "2", "STRATA_READ_REPLICAS": "true",
	} {
		t.Setenv(name, v)
	}
	c, err := strata.FromEnv()
	want := strata.Config{
		RedisURL: "redis://localhost:6379", RedisPassword: "secret", RedisOptional: true,
		Prefix: "shop:", Tracking: strata.Broadcast, Memory: 64 << 20, Engine: strata.Ristretto, MaxDisconnected: 500 * time.Millisecond,
		WaitReplicas: 2, ReadReplicas: true,
	}
	if err != nil || !reflect.DeepEqual(*c, want) {
		t.Errorf("FromEnv = %+v, %v, want %+v", c, err, want)
	}
}

func TestFromEnv_tlsFiles(t *testing.T) {
	t.Setenv("STRATA_REDIS_CA_FILE", "/etc/redis ca.pem")
	t.Setenv("STRATA_REDIS_CERT_FILE", "cert.pem")
	t.Setenv("STRATA_REDIS_KEY_FILE", "key.pem")
	for in, want := range map[string]string{
		"rediss://localhost":      "rediss://localhost?ca_file=%2Fetc%2Fredis+ca.pem&cert_file=cert.pem&key_file=key.pem",
		"rediss://localhost?db=1": "rediss://localhost?db=1&ca_file=%2Fetc%2Fredis+ca.pem&cert_file=cert.pem&key_file=key.pem",
	} {
		t.Setenv("REDIS_URL", in)
		if c, err := strata.FromEnv(); err != nil || c.RedisURL != want {
			t.Errorf("REDIS_URL=%s: %+v, %v", in, c, err)
		}
	}
	t.Setenv("REDIS_URL", "")
	if _, err := strata.FromEnv(); err == nil || !strings.Contains(err.Error(), "STRATA_REDIS_CA_FILE") {
		t.Errorf("without REDIS_URL: %v", err)
	}
}

// The environment suffices for a Redis with its own authority that asks for certificates.
func TestFromEnv_tls(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{TLS: true, Config: []string{"tls-auth-clients yes"}})
	cert, key := server.CertFiles()
	t.Setenv("REDIS_URL", server.URL())
	for _, files := range [][3]string{{cert, cert, key}, {cert, "", ""}, {"", cert, key}} {
		for i, name := range []string{"STRATA_REDIS_CA_FILE", "STRATA_REDIS_CERT_FILE", "STRATA_REDIS_KEY_FILE"} {
			t.Setenv(name, files[i])
		}
		config, err := strata.FromEnv()
		if err != nil {
			t.Fatal(err)
		}
		b, err := strata.Open(t.Context(), config)
		if err == nil {
			b.Close()
		}
		if complete := files[0] != "" && files[1] != ""; complete != (err == nil) {
			t.Errorf("with %q: %v", files, err)
		}
	}
}

func TestFromEnv_passwordAlone(t *testing.T) {
	t.Setenv("REDIS_URL", "")
	t.Setenv("REDIS_PASSWORD", "of another program")
	if c, err := strata.FromEnv(); err != nil || !reflect.DeepEqual(*c, strata.Config{}) {
		t.Errorf("FromEnv = %+v, %v, want the zero Config", c, err)
	}
}

func TestFromEnv_values(t *testing.T) {
	for v, want := range map[string]int64{"1": 1, "1B": 1, "2KB": 2000, "2KiB": 2048, "3 MB": 3e6, "1GiB": 1 << 30, "off": -1, "": 0} {
		t.Setenv("STRATA_MEMORY", v)
		if c, err := strata.FromEnv(); err != nil || c.Memory != want {
			t.Errorf("STRATA_MEMORY=%q: %+v, %v, want %d", v, c, err, want)
		}
	}
	t.Setenv("STRATA_TRACKING", "per-key")
	if c, err := strata.FromEnv(); err != nil || c.Tracking != strata.PerKey {
		t.Errorf("STRATA_TRACKING=per-key: %+v, %v", c, err)
	}
	t.Setenv("STRATA_MAX_DISCONNECTED", "off")
	if c, err := strata.FromEnv(); err != nil || c.MaxDisconnected >= 0 {
		t.Errorf("STRATA_MAX_DISCONNECTED=off: %+v, %v", c, err)
	}
}

func TestFromEnv_namesEveryMistake(t *testing.T) {
	bad := map[string]string{
		"STRATA_MAX_STALE": "0s", "STRATA_MEMORY": "lots", "STRATA_ENGINE": "diesel", "STRATA_MAX_DISCONNECTED": "-1s", "STRATA_REDIS_OPTIONAL": "perhaps",
		"STRATA_TRACKING": "everything", "STRATA_WAIT_REPLICAS": "-1", "STRATA_READ_REPLICAS": "some",
	}
	for name, v := range bad {
		t.Setenv(name, v)
	}
	_, err := strata.FromEnv()
	for name := range bad {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	for _, v := range []string{"0", "-5", "1e9", "99999999999GiB", "MiB"} {
		t.Setenv("STRATA_MEMORY", v)
		if _, err := strata.FromEnv(); !strings.Contains(err.Error(), "STRATA_MEMORY") {
			t.Errorf("STRATA_MEMORY=%q was accepted", v)
		}
	}
}

func TestOpen_mistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		c    strata.Config
		want []string
	}{
		"several at once":  {strata.Config{Engine: 7, RedisPassword: "hush"}, []string{"Engine(7)", "RedisPassword"}},
		"two Redis":        {strata.Config{Redis: new(redisstore.Client), RedisURL: "redis://x"}, []string{"mutually exclusive"}},
		"custom client":    {strata.Config{Redis: new(redisstore.Client), Tracking: strata.Broadcast}, []string{"Tracking", "Dialer"}},
		"unknown tracking": {strata.Config{Tracking: 17}, []string{"Tracking(17)"}},
		"max stale":        {strata.Config{MaxStale: time.Second}, []string{"MaxStale", "per-key", "STRATA_TRACKING=off"}},
		"negative":         {strata.Config{Tracking: strata.NoTracking, MaxStale: -1}, []string{"Config.MaxStale -1ns is negative"}},
		"replicas":         {strata.Config{WaitReplicas: -1}, []string{"Config.WaitReplicas -1 is negative"}},
		"read whose":       {strata.Config{Redis: new(redisstore.Client), ReadReplicas: true}, []string{"ReadReplicas", "Dialer"}},
		"read untracked":   {strata.Config{RedisURL: "redis://localhost", ReadReplicas: true, Tracking: strata.NoTracking}, []string{"ReadReplicas requires Tracking PerKey or Broadcast, not"}},
		"whose replicas":   {strata.Config{Redis: new(redisstore.Client), WaitReplicas: 1}, []string{"WaitReplicas", "Dialer"}},
		"no URL":           {strata.Config{RedisURL: "localhost:6379"}, []string{"redis://"}},
		"no URL, secret":   {strata.Config{RedisURL: "redis://u:hush\x7f@x", RedisPassword: "hush"}, []string{"URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := strata.Open(t.Context(), &tc.c)
			if err == nil {
				b.Close()
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: does not tell of %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("%v: tells the password", err)
			}
		})
	}
}

func TestOpen_noRedisThere(t *testing.T) {
	const nobody = "redis://127.0.0.1:1"
	if _, err := strata.Open(t.Context(), &strata.Config{RedisURL: nobody}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
	b := backend(t, &strata.Config{RedisURL: nobody, RedisOptional: true})
	var r repo
	c := listings(t, b, &r, nil)
	for range 2 {
		if l, err := c.Get(t.Context(), 1); err != nil || l.ID != 1 {
			t.Errorf("Get without Redis = %+v, %v", l, err)
		}
	}
	if r.loads.Load() != 1 {
		t.Errorf("%d loads, want L1 to serve the second read", r.loads.Load())
	}
	if err := c.Delete(t.Context(), 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete: %v, want ErrUnavailable", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
}
