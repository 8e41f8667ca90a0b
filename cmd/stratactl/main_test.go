package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"REDIS_URL", "REDIS_PASSWORD", "STRATA_PREFIX"} {
		os.Unsetenv(name)
	}
	// rueidis sleeps for a second behind a refresh of its addresses.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// A listing is what the service of the tests caches.
type listing struct {
	Title string
	Price int
}

// A service has caches on a server, and stratactl is run beside it.
type service struct {
	*strata.Backend
	server   *redistest.Server
	user     string // of stratactl; empty: the default one
	listings *strata.Cache[int, listing]
	users    *strata.Cache[string, string]
	loads    atomic.Int64
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{server: redistest.Start(t, nil)}
	var err error
	if s.Backend, err = strata.Open(t.Context(), &strata.Config{RedisURL: "redis://" + s.server.Addr()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.listings, err = strata.New(s.Backend, "listing", func(_ context.Context, id int) (listing, error) {
		return listing{"Loft <1>", int(s.loads.Add(1))}, nil
	}, &strata.Options[int, listing]{TTL: time.Hour, Tags: func(int, listing) []string { return []string{"city:Oslo"} }})
	if err != nil {
		t.Fatal(err)
	}
	s.users, err = strata.New(s.Backend, "user", func(_ context.Context, id string) (string, error) { return "user " + id, nil },
		&strata.Options[string, string]{TTL: time.Minute, Codec: codec.JSON[string]()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) read(t *testing.T, id int) listing {
	t.Helper()
	l, err := s.listings.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ctl runs stratactl, which must end with this code.
func (s *service) ctl(t *testing.T, code int, stdin string, args ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	address := "redis://" + s.server.Addr()
	if s.user != "" {
		address = "redis://" + s.user + ":secret@" + s.server.Addr()
	}
	all := append([]string{"stratactl", "--url", address}, args...)
	if got := run(t.Context(), all, strings.NewReader(stdin), &o, &e); got != code {
		t.Fatalf("%q ended with %d, want %d:\n%s%s", args, got, code, &o, &e)
	}
	return o.String(), e.String()
}

func mustMatch(t *testing.T, what, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).MatchString(text) {
			t.Errorf("%s has no match of %q:\n%s", what, p, text)
		}
	}
}

func TestRead(t *testing.T) {
	s := newService(t)
	s.read(t, 42)
	if _, err := s.users.Get(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	out, _ := s.ctl(t, 0, "", "ping")
	mustMatch(t, "ping", out, `^Redis answers`)
	out, _ = s.ctl(t, 0, "", "keys")
	mustMatch(t, "keys", out, `^strata:listing:.*:42$`, `^strata:user:.*:ann$`)
	if strings.Contains(out, "!") {
		t.Errorf("keys of tags: %s", out)
	}
	key, _ := s.ctl(t, 0, "", "keys", "listing:*")
	if key = strings.TrimSpace(key); strings.Contains(key, "\n") {
		t.Fatalf("more than one key: %s", key)
	}
	out, errs := s.ctl(t, 0, "", "keys", "--limit", "1")
	if mustMatch(t, "keys --limit 1", errs, "there are more"); strings.Count(out, "\n") != 1 {
		t.Errorf("more than one: %s", out)
	}

	for _, k := range []string{key, strings.TrimPrefix(key, "strata:")} {
		out, _ = s.ctl(t, 0, "", "get", k)
		var v map[string]any
		if err := json.Unmarshal([]byte(out), &v); err != nil || v["Title"] != "Loft <1>" || v["Price"] != 1.0 {
			t.Errorf("get: %s, %v", out, err)
		}
	}
	user, _ := s.ctl(t, 0, "", "keys", "user:*")
	if out, _ = s.ctl(t, 0, "", "get", strings.TrimSpace(user)); out != "\"user ann\"\n" {
		t.Errorf("get of JSON: %s", out)
	}
	out, _ = s.ctl(t, 0, "", "explain", key)
	mustMatch(t, "explain", out, `^key +strata:listing`, `^cache +listing$`, `^kind +value$`, `^found by reads +yes$`, `^tags +city:Oslo$`, `^codec +msgpack$`, `^expires in +(1h|5\dm)`)
	out, _ = s.ctl(t, 0, "", "--json", "explain", key)
	var r struct{ Kind, Codec string }
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Kind != "value" || r.Codec != "msgpack" {
		t.Errorf("explain in JSON: %s, %v", out, err)
	}
	out, _ = s.ctl(t, 0, "", "ttl", key)
	mustMatch(t, "ttl", out, `^expires in +(1h|5\dm)`)
	_, errs = s.ctl(t, 1, "", "get", "listing:nothing")
	mustMatch(t, "get of nothing", errs, "no value: missing")
	out, _ = s.ctl(t, 0, "", "stats")
	mustMatch(t, "stats", out, `^Redis: \d+ keys`, `^listing +1 +~\d+ B +strata:listing:`, `^user +1 `)
	out, _ = s.ctl(t, 0, "", "--json", "stats")
	var st struct{ Caches []cacheStats }
	if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Caches) != 2 || st.Caches[0].Keys != 1 {
		t.Errorf("stats in JSON: %s, %v", out, err)
	}
}

// What stratactl invalidates is gone in the memory of the service, too.
func TestWrite(t *testing.T) {
	s := newService(t)
	s.read(t, 42)
	key, _ := s.ctl(t, 0, "", "keys", "listing:*")
	key = strings.TrimSpace(key)
	for i, args := range [][]string{{"del", key}, {"clear", "listing"}, {"invalidate", "city:Oslo"}} {
		before := s.read(t, 42)
		_, errs := s.ctl(t, 1, "n\n", args...)
		mustMatch(t, "the answer no", errs, `\? \[y/N\] nothing was done`)
		if got := s.read(t, 42); got != before {
			t.Errorf("%q: removed without a yes", args)
		}
		answer, all := "y\n", args
		if i > 0 {
			answer, all = "", append([]string{"--yes"}, args...)
		}
		out, _ := s.ctl(t, 0, answer, all...)
		mustMatch(t, "the report", out, `^done: `)
		if i > 0 {
			_, errs = s.ctl(t, 1, "", "get", key)
			mustMatch(t, "get", errs, `reads do not find it: invalidated by (clear|tag city:Oslo)`)
			out, _ = s.ctl(t, 0, "", "get", "--invalidated", key)
			mustMatch(t, "get --invalidated", out, "Loft")
		}
		redistest.WaitFor(t, "the service to load again", func() bool { return s.read(t, 42).Price > before.Price })
	}
	_, errs := s.ctl(t, 1, "", "--yes", "clear", "nothing")
	mustMatch(t, "clear of an unknown cache", errs, `no cache "nothing" in Redis`)
}

func TestWatch(t *testing.T) {
	s := newService(t)
	s.read(t, 42)
	var out syncBuffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"stratactl", "--url", "redis://" + s.server.Addr(), "--json", "watch", "--limit", "4"}, nil, &out, io.Discard)
	}()
	redistest.WaitFor(t, "the watch to begin", func() bool { return strings.Contains(out.String(), `"connected"`) })
	if err := s.listings.Delete(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the change", func() bool { return strings.Contains(out.String(), `"what":"changed","cache":"listing"`) })
	if err := s.InvalidateTags(t.Context(), "city:Oslo"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the tag", func() bool { return strings.Contains(out.String(), `"what":"tag","key":"city:Oslo"`) })
	if err := s.users.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 || !strings.Contains(out.String(), `"what":"clear","cache":"user"`) {
		t.Errorf("ended with %d: %s", code, out.String())
	}
}

func TestWarm(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]int)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if seen[r.URL.EscapedPath()]++; r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer web.Close()
	s := &service{server: redistest.Start(t, nil)}
	out, _ := s.ctl(t, 0, "1\n2\n\na/b\n", "warm", web.URL+"/l/{}", web.URL+"/all")
	if mustMatch(t, "warm", out, "4 requests"); seen["/l/1"] != 1 || seen["/l/2"] != 1 || seen["/l/a%2Fb"] != 1 || seen["/all"] != 1 {
		t.Errorf("requests: %v", seen)
	}
	_, errs := s.ctl(t, 1, "", "warm", web.URL+"/bad")
	mustMatch(t, "warm of what fails", errs, `1 of 1 requests failed, the first: .*/bad: 418`)
	http.DefaultClient.CloseIdleConnections()
}

func TestDoctorBenchAdvise(t *testing.T) {
	s := newService(t)
	out, _ := s.ctl(t, 0, "", "--json", "doctor")
	var findings []struct{ Check, Severity, Advice string }
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Errorf("doctor: %s, %v", out, err)
	}
	s.server.Do("config", "set", "maxmemory", "100mb")
	s.server.Do("config", "set", "maxmemory-policy", "noeviction")
	out, _ = s.ctl(t, 0, "", "doctor")
	mustMatch(t, "doctor", out, `^warning +eviction`)
	promoted := redistest.StartReplica(t, s.server)
	if err := promoted.Promote(); err != nil {
		t.Fatal(err)
	}
	out, _ = s.ctl(t, 0, "", "--url", s.server.URL()+"?replica="+promoted.Addr(), "doctor", "--read-replicas")
	mustMatch(t, "doctor", out, `read-replicas \(`+promoted.Addr()+`\): the server is not a replica`)

	out, _ = s.ctl(t, 0, "", "bench", "--for", "20ms", "--callers", "1,4")
	mustMatch(t, "bench", out, `^read +1 +\d+`, `^write +4 +\d+`)
	if out, _ = s.ctl(t, 0, "", "keys", "--all", "*bench*"); out != "" {
		t.Errorf("bench has left %s", out)
	}

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_ = s.listings.Delete(context.Background(), i%3)
				_, _ = s.listings.Get(context.Background(), i%3)
			}
		}
	}()
	out, _ = s.ctl(t, 0, "", "--json", "advise", "--for", "1s")
	close(stop)
	<-stopped
	var o observed
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"listing"`) {
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
		}
	}
	if o.Changes < 3 || o.Loads < 3 || o.Keys < 1 || o.Advice == "" {
		t.Errorf("advise: %s", out)
	}
}

func TestAdvise(t *testing.T) {
	for want, o := range map[string]observed{
		"nothing happened":           {},
		"no loads":                   {Changes: 3},
		"do not expire":              {Changes: 3, Loads: 3},
		"no changes in 1m0s":         {Loads: 3, TTL: time.Minute},
		"a key changes every 10m0s:": {Keys: 100, Loads: 3, Changes: 10, TTL: time.Minute},
		"before it expires":          {Keys: 1, Loads: 3, Changes: 60, TTL: time.Minute},
		"the TTL suits":              {Keys: 10, Loads: 3, Changes: 10, TTL: time.Minute},
	} {
		if got := o.advise(time.Minute); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for ttl, want := range map[time.Duration]string{0: "", 10 * time.Second: "10s", time.Hour: "1h0m0s"} {
		if got := (&observed{TTL: ttl}).ttl(); got != want {
			t.Errorf("the TTL %v is shown as %q, want %q", ttl, got, want)
		}
	}
	for _, c := range []struct {
		a, b uint64
		want float64
	}{{10, 30, 10}, {30, 10, 5}} { // the second restarts in between
		if got := perSecond(c.a, c.b, 2*time.Second); got != c.want {
			t.Errorf("from %d to %d: %v a second, want %v", c.a, c.b, got, c.want)
		}
	}
}

// The rights that caches need suffice for every command.
func TestRights(t *testing.T) {
	s := newService(t)
	s.read(t, 42)
	s.user = "strata"
	s.server.Grant(t, s.user, redistest.DocumentedRights(t, "../../docs/configuration.md", s.user)...)
	key, _ := s.ctl(t, 0, "", "keys", "listing:*")
	key = strings.TrimSpace(key)
	for _, args := range [][]string{
		{"ping"}, {"doctor"}, {"stats"}, {"get", key}, {"explain", key}, {"ttl", key}, {"bench", "--for", "1ms"}, {"advise", "--for", "10ms"},
		{"watch", "--limit", "1"}, {"--yes", "del", key}, {"--yes", "invalidate", "city:Oslo"}, {"--yes", "clear", "listing"},
	} {
		s.ctl(t, 0, "", args...)
	}
	if refused := s.server.Refusals(t); len(refused) > 0 {
		t.Errorf("Redis has refused %v", refused)
	}
}

// The page has each command.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/stratactl.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range newApp(nil, nil, nil).Commands {
		mustMatch(t, "docs/stratactl.md", string(page), "^\\| `"+c.Name+"[ `]")
	}
}

// Mistakes end with the code of their kind, and nothing prints a password.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "which Redis", []string{"ping"}},
		{exitUsage, "unknown command", []string{"nonsense"}},
		{exitUsage, "not defined", []string{"keys", "--nonsense"}},
		{exitUsage, "usage: stratactl get KEY", []string{"--url", "redis://h:1", "get"}},
		{exitUsage, `must not contain "!"`, []string{"--prefix", "a!", "ping"}},
		{exitUsage, "http://", []string{"warm", "ftp://x"}},
		{exitFailed, "scheme", []string{"--url", "http://u:secret@h", "ping"}},
		{exitFailed, "127.0.0.1:1", []string{"--url", "redis://u:secret@127.0.0.1:1", "doctor"}},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"stratactl"}, c.args...), strings.NewReader(""), &out, &errs)
		text := out.String() + errs.String()
		if code != c.code || !strings.Contains(text, c.want) || strings.Contains(text, "secret") {
			t.Errorf("%q: code %d, want %d with %q:\n%s", c.args, code, c.code, c.want, text)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"stratactl", "help"}, nil, &out, &out); code != 0 {
		t.Errorf("help ends with %d", code)
	}
	for _, name := range strings.Fields("ping doctor stats keys get explain ttl del clear invalidate watch warm bench advise") {
		mustMatch(t, "help", out.String(), `^ +`+name+` `)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *syncBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }
