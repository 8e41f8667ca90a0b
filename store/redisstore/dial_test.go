package redisstore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// roundTrip fails unless c keeps what is set.
func roundTrip(t *testing.T, c *redisstore.Client) {
	t.Helper()
	s := strings(c, prefix())
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(ctx, "k"); err != nil || e.Value != "v" {
		t.Fatalf("Get = %q, %v", e.Value, err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
}

func dialURL(t *testing.T, url string) *redisstore.Client {
	t.Helper()
	c, err := (&redisstore.Dialer{Timeout: patience}).DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestDialURL(t *testing.T) {
	addrs := cluster(t).Addrs()
	withPassword := redistest.Start(t, &redistest.Options{Password: "p@ss/word"})
	overTLS := redistest.Start(t, &redistest.Options{Password: "p", TLS: true})
	for name, url := range map[string]string{
		"server":   server(t).URL(),
		"database": server(t).URL() + "/3",
		"password": withPassword.URL(),
		"TLS":      overTLS.URL() + "?skip_verify=true",
		"valkey":   stdstrings.Replace(withPassword.URL(), "redis://", "valkey://", 1),
		"valkeys":  stdstrings.Replace(overTLS.URL(), "rediss://", "valkeys://", 1) + "?skip_verify=true",
		"cluster":  "redis://" + addrs[0] + "?addr=" + addrs[1],
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, dialURL(t, url)) })
	}
}

func TestDial_TLS(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{TLS: true, Password: "p"})
	opt := to(s)
	opt.Password = "p"
	opt.DisableTCPNoDelay = true // reaches through our wrapper
	roundTrip(t, dial(t, opt))
	opt.TLSConfig = &tls.Config{} // does not trust the certificate
	if _, err := redisstore.Dial(opt); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("with an unknown certificate: %v", err)
	}
}

func TestDial_dialFunction(t *testing.T) {
	opt := to(server(t))
	opt.InitAddress = []string{"nowhere.example:6379"}
	dialled := 0
	opt.DialFn = func(string, *net.Dialer, *tls.Config) (net.Conn, error) {
		dialled++
		return net.Dial("tcp", server(t).Addr())
	}
	roundTrip(t, dial(t, opt))
	if dialled == 0 {
		t.Error("DialFn was not used")
	}
}

func TestDial_auth(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{Password: "the-right-one"})
	for name, password := range map[string]string{"none": "", "wrong": "the-wrong-one"} {
		opt := to(s)
		opt.Password = password
		_, err := (&redisstore.Dialer{Lazy: true}).Dial(opt) // waiting would not help
		if !errors.Is(err, store.ErrAuth) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if password != "" && stdstrings.Contains(err.Error(), password) {
			t.Errorf("the error has the password in it: %v", err)
		}
	}
	if _, err := s.Do("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection", "+client", "+info"); err != nil {
		t.Fatal(err)
	}
	opt := to(s)
	opt.Username, opt.Password = "reader", "pw"
	opt.ForceSingleClient = true // CLUSTER is not permitted
	st := strings(dial(t, opt), prefix())
	if err := st.Set(ctx, "k", store.Entry[string]{Value: "secret"}); !errors.Is(err, store.ErrAuth) {
		t.Errorf("Set without permission: %v", err)
	}
}

func TestDialURL_errors(t *testing.T) {
	const secret = "s3cr3t"
	for _, url := range []string{
		"http://:" + secret + "@host", "redis://:" + secret + "%zz@host", "redis://user:" + secret + "/x@host:1",
		"redis://:" + secret + "@host/" + secret, "redis://" + secret + "/a/" + secret, secret, "://" + secret,
		"redis://:" + secret + "@host/0?dial_timeout=" + secret, "redis://:" + secret + "@127.0.0.1:1/0?protocol=2",
		"redis://:" + secret + "@127.0.0.1:1/0?client_cache=0", "redis://:" + secret + "@127.0.0.1:1/0",
	} {
		_, err := redisstore.DialURL(url)
		var e *store.Error
		if !errors.As(err, &e) || e.Op != "dial" {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && stdstrings.Contains(err.Error(), secret) {
			t.Errorf("credentials in %q", err)
		}
	}
}

// refused are the settings that Dial refuses.
var refused = map[string]func(o *rueidis.ClientOption){
	"NewCacheStoreFn": func(o *rueidis.ClientOption) {
		o.NewCacheStoreFn = func(rueidis.CacheStoreOption) rueidis.CacheStore { return nil }
	},
	"OnInvalidations": func(o *rueidis.ClientOption) { o.OnInvalidations = func([]rueidis.RedisMessage) {} },
	"SendToReplicas":  func(o *rueidis.ClientOption) { o.SendToReplicas = func(rueidis.Completed) bool { return true } },
	"RetryDelay": func(o *rueidis.ClientOption) {
		o.RetryDelay = func(int, rueidis.Completed, error) time.Duration { return 0 }
	},
	//lint:ignore SA1019 deprecated settings can be set, too
	"ReplicaSelector":       func(o *rueidis.ClientOption) { o.ReplicaSelector = func(uint16, []rueidis.NodeInfo) int { return 0 } },
	"ReadNodeSelector":      func(o *rueidis.ClientOption) { o.ReadNodeSelector = func(uint16, []rueidis.NodeInfo) int { return 0 } },
	"Dialer":                func(o *rueidis.ClientOption) { o.Dialer.KeepAlive = -1 },
	"InitAddress":           func(o *rueidis.ClientOption) { o.InitAddress = nil },
	"ClientTrackingOptions": func(o *rueidis.ClientOption) { o.ClientTrackingOptions = []string{"BCAST"} },
	"Standalone":            func(o *rueidis.ClientOption) { o.Standalone.ReplicaAddress = []string{"x"} },
	"BlockingPoolCleanup":   func(o *rueidis.ClientOption) { o.BlockingPoolCleanup = 1 },
	"BlockingPipeline":      func(o *rueidis.ClientOption) { o.BlockingPipeline = 1 },
	"PipelineMultiplex":     func(o *rueidis.ClientOption) { o.PipelineMultiplex = 1 },
	"ConnWriteTimeout":      func(o *rueidis.ClientOption) { o.ConnWriteTimeout = -1 },
	"ConnLifetime":          func(o *rueidis.ClientOption) { o.ConnLifetime = 1 },
	"DisableCache":          func(o *rueidis.ClientOption) { o.DisableCache = true },
	"DisableAutoPipelining": func(o *rueidis.ClientOption) { o.DisableAutoPipelining = true },
	"AlwaysRESP2":           func(o *rueidis.ClientOption) { o.AlwaysRESP2 = true },
	"ReplicaOnly":           func(o *rueidis.ClientOption) { o.ReplicaOnly = true },
}

// accepted are the others: whoever adds one has thought about it.
var accepted = []string{
	"TLSConfig", "DialFn", "DialCtxFn", "AuthCredentialsFn", "Sentinel", "Username", "Password", "ClientName",
	"ClientSetInfo", "SelectDB", "CacheSizeEachConn", "RingScaleEachConn", "ReadBufferEachConn", "WriteBufferEachConn",
	"BlockingPoolMinSize", "BlockingPoolSize", "MaxFlushDelay", "ClusterOption", "DisableTCPNoDelay", "ShuffleInit",
	"ClientNoTouch", "DisableRetry", "AlwaysPipelining", "ForceSingleClient", "ClientNoEvict", "EnableReplicaAZInfo", "AZFromInfo",
}

func TestDial_settings(t *testing.T) {
	known := map[string]bool{}
	for _, name := range accepted {
		known[name] = true
	}
	all := to(server(t))
	for name, set := range refused {
		known[name] = true
		opt := to(server(t))
		set(&opt)
		set(&all)
		_, err := redisstore.Dial(opt)
		if err == nil || !stdstrings.Contains(err.Error(), "ClientOption."+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := redisstore.Dial(all)
	for name := range refused {
		if err == nil || !stdstrings.Contains(err.Error(), "ClientOption."+name) {
			t.Errorf("%s is missing in the joined error %v", name, err)
		}
	}
	for f := range reflect.TypeFor[rueidis.ClientOption]().NumField() {
		if name := reflect.TypeFor[rueidis.ClientOption]().Field(f).Name; !known[name] {
			t.Errorf("rueidis has a new setting %s: refuse it, or accept it knowingly", name)
		}
	}
	if opt := to(server(t)); true {
		opt.PipelineMultiplex = -1
		roundTrip(t, dial(t, opt))
	}
}

func TestDialer_Lazy(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Kill()
	if _, err := redisstore.Dial(to(s)); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Dial = %v", err)
	}
	c := dialWith(t, &redisstore.Dialer{Lazy: true, Timeout: patience}, to(s))
	st := strings(c, prefix())
	if _, err := st.Get(ctx, "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Get = %v", err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	c.Close()
	if _, err := st.Get(ctx, "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Get after Close = %v", err)
	}
}

func TestDialer_Lazy_closed(t *testing.T) {
	s := redistest.Start(t, nil)
	s.Kill()
	c := dialWith(t, &redisstore.Dialer{Lazy: true}, to(s))
	c.Close()
	c.Close()
	if err := c.Ping(ctx); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Ping after Close = %v", err)
	}
}

// Sentinels may have a password and users of their own.
func TestDialURL_sentinelPassword(t *testing.T) {
	set := redistest.StartSentinel(t)
	for _, s := range set.Sentinels {
		for _, user := range [][]any{{"default", "resetpass", ">one/secret"}, {"bob", "on", ">another", "allchannels", "+@all"}} {
			if _, err := s.Do(append([]any{"ACL", "SETUSER"}, user...)...); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := "redis://" + set.Addrs()[0] + "?master_set=" + redistest.MasterSet
	for _, own := range []string{"&sentinel_password=one%2Fsecret", "&sentinel_user=bob&sentinel_password=another"} {
		c, err := redisstore.DialURL(at + own)
		if err != nil {
			t.Fatalf("%s: %v", own, err)
		}
		roundTrip(t, c)
		c.Close()
	}
	for _, own := range []string{"", "&sentinel_password=wrong"} {
		_, err := redisstore.DialURL(at + own)
		if !errors.Is(err, store.ErrAuth) || !stdstrings.Contains(err.Error(), "sentinel_password") || stdstrings.Contains(err.Error(), "wrong;") {
			t.Errorf("%q: %v", own, err)
		}
	}
}

func TestDial_sentinel(t *testing.T) {
	set := redistest.StartSentinel(t)
	opt := rueidis.ClientOption{InitAddress: set.Addrs(), Sentinel: rueidis.SentinelOption{MasterSet: redistest.MasterSet}}
	c := dial(t, opt)
	roundTrip(t, c)
	s := strings(c, prefix())
	told := watch(t, s)
	if _, err := s.Get(ctx, "k"); err != store.ErrNotFound {
		t.Fatal(err)
	}
	set.Primary.Kill()
	told.waitAll(t)
	redistest.WaitFor(t, "the failover", func() bool {
		call, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return s.Set(call, "k", store.Entry[string]{Value: "after"}) == nil
	})
	if e, err := s.Get(ctx, "k"); err != nil || e.Value != "after" {
		t.Errorf("Get = %q, %v", e.Value, err)
	}
}
