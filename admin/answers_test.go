package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/internal/redistest"
)

func operate(*http.Request) (admin.Principal, error) {
	return admin.Principal{Name: "ann", Role: admin.Operate}, nil
}

// get sends a request and returns the answer.
func get(t *testing.T, h http.Handler, path string, want int) map[string]any {
	t.Helper()
	return answer(t, h, request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: path}, want)
}

func post(t *testing.T, h http.Handler, path, body string, want int) map[string]any {
	t.Helper()
	return answer(t, h, request{peer: "127.0.0.1:1", host: "localhost", method: "POST", path: path, body: body, header: map[string]string{"Content-Type": "application/json"}}, want)
}

func answer(t *testing.T, h http.Handler, q request, want int) map[string]any {
	t.Helper()
	w := q.send(h)
	var a map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != want || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s: %d %q, want %d", q.method, q.path, w.Code, w.Body, want)
	}
	if _, ok := a["timestamp"].(string); !ok {
		t.Errorf("%s %s: no timestamp in %v", q.method, q.path, a)
	}
	return a
}

// TestMarketplace: the paths and bodies that plain clients expect.
func TestMarketplace(t *testing.T) {
	server := redistest.Start(t, nil)
	h, b := handler(t, &strata.Config{RedisURL: server.URL()}, &admin.Options{Authorize: operate})
	c := cache(t, b, "listings")
	mux := http.NewServeMux()
	mux.Handle("/api/health/redis", h)
	mux.Handle("/api/cache/", h)

	a := get(t, mux, "/api/health/redis", 200)
	if a["status"] != "healthy" || a["redis"] != "connected" {
		t.Errorf("health: %v", a)
	}
	for _, id := range []string{"1", "2", "2"} {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s := get(t, mux, "/api/cache/stats", 200)["stats"].(map[string]any)
	if s["keys"].(float64) < 2 || s["misses"] != 2.0 || s["hits"] != 1.0 || !regexp.MustCompile(`^\d+\.\dMB$`).MatchString(s["memory"].(string)) {
		t.Errorf("stats: %v", s)
	}
	if len(s["caches"].([]any)) != 1 || s["l1"].(map[string]any)["hits"] != 1.0 {
		t.Errorf("stats: %v", s)
	}
	post(t, mux, "/api/cache/clear", `{"pattern":"listings:*"}`, 200)
	if _, err := c.Peek(t.Context(), "1"); err == nil {
		t.Error("the value is still there")
	}
	server.Kill()
	redistest.WaitFor(t, "503", func() bool {
		w := request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: "/api/health/redis"}.send(mux)
		return w.Code == 503 && strings.Contains(w.Body.String(), `"redis":"disconnected"`)
	})
}

func TestReady(t *testing.T) {
	var warm atomic.Bool
	h, b := handler(t, nil, &admin.Options{Warmed: warm.Load})
	get(t, h, "/ready", 503)
	warm.Store(true)
	get(t, h, "/ready", 200)
	b.Close()
	if a := get(t, h, "/ready", 503); a["status"] != "not ready" {
		t.Error(a)
	}
	get(t, h, "/health", 503)

	h, _ = handler(t, nil, &admin.Options{RequireRedis: true})
	get(t, h, "/ready", 503)
}

func TestExplain(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, show := range []bool{false, true} {
		o := &admin.Options{ShowKeys: show}
		if show {
			o.ShowValue = func(cache string, v any) string { return cache + "=" + v.(string) }
		}
		h, b := handler(t, &strata.Config{RedisURL: server.URL()}, o)
		c := cache(t, b, "a:b")
		cache(t, b, "a")
		if _, err := c.Get(t.Context(), "ann@example.org"); err != nil {
			t.Fatal(err)
		}
		a := get(t, h, "/explain?key=a:b:ann@example.org", 200)
		text, _ := json.Marshal(a)
		if a["cache"] != "a:b" || len(a["tiers"].([]any)) != 2 {
			t.Fatalf("%s", text)
		}
		for _, tier := range a["tiers"].([]any) {
			e := tier.(map[string]any)
			if e["state"] != "fresh" || e["fresh_for_seconds"].(float64) <= 0 || e["age_seconds"] == nil || len(e["tags"].([]any)) != 1 || e["version"] == nil {
				t.Errorf("%v", e)
			}
		}
		if strings.Contains(string(text), "ann@example.org") != show || strings.Contains(string(text), "value of") != show {
			t.Errorf("with ShowKeys %v: %s", show, text)
		}
		if a := get(t, h, "/explain?cache=a:b&key=nobody", 200); len(a["tiers"].([]any)) != 0 {
			t.Errorf("of an unknown id: %v", a)
		}
		get(t, h, "/explain?cache=b&key=k", 404)
		get(t, h, "/explain?key=k", 400)
	}
}

// TestExplain_record: what only the record in Redis says: a lease, a hold, readings of tags, and who
// has invalidated the value.
func TestExplain_record(t *testing.T) {
	server := redistest.Start(t, nil)
	h, b := handler(t, &strata.Config{RedisURL: server.URL()}, nil)
	loading, end := make(chan struct{}), make(chan struct{})
	c, err := strata.New(b, "users", func(_ context.Context, id string) (string, error) {
		if id == "slow" {
			close(loading)
			<-end
		}
		return "v", nil
	}, &strata.Options[string, string]{Tags: func(string, string) []string { return []string{"team"} }})
	if err != nil {
		t.Fatal(err)
	}
	redis := func(id string) map[string]any {
		t.Helper()
		for _, tier := range get(t, h, "/explain?cache=users&key="+id, 200)["tiers"].([]any) {
			if e := tier.(map[string]any); e["tier"] == "L2" {
				return e
			}
		}
		return nil
	}
	if e := redis("ann"); e != nil {
		t.Errorf("before the load: %v", e)
	}
	if _, err := c.Get(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	e := redis("ann")
	if e["state"] != "fresh" || e["codec"] != "msgpack" || len(e["tag_readings"].([]any)) != 1 || e["invalidated_by"] != nil || e["tag_clock"] == nil {
		t.Errorf("a value: %v", e)
	}
	if err := b.InvalidateTags(t.Context(), "team"); err != nil {
		t.Fatal(err)
	}
	e = redis("ann")
	if by, _ := e["invalidated_by"].([]any); e["state"] != "invalidated" || len(by) != 1 || !strings.HasPrefix(by[0].(string), "tag #") || len(e["tags"].([]any)) != 1 {
		t.Errorf("after the invalidation of its tag: %v", e)
	}
	if err := c.Delete(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := c.Get(t.Context(), "slow")
		done <- err
	}()
	<-loading
	if e := redis("slow"); e["state"] != "no value" || e["lease_seconds"].(float64) <= 0 {
		t.Errorf("during a load: %v", e)
	}
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestClear(t *testing.T) {
	h, b := handler(t, nil, &admin.Options{Authorize: operate})
	users, orders := cache(t, b, "users"), cache(t, b, "orders")
	for _, c := range []struct {
		body string
		want int
		left string // ids of users, then of orders
	}{
		{`{"cache":"users","confirm":"orders"}`, 412, "ann bob ann bob"},
		{`{"cache":"users"}`, 412, "ann bob ann bob"},
		{`{"all":true}`, 412, "ann bob ann bob"},
		{`{"tags":["tag-ann"]}`, 412, "ann bob ann bob"},
		{`{"pattern":"*"}`, 412, "ann bob ann bob"},
		{`{"pattern":"ann"}`, 404, "ann bob ann bob"},
		{`{"cache":"none","confirm":"none"}`, 404, "ann bob ann bob"},
		{`{}`, 400, "ann bob ann bob"},
		{`{"cache":"users","all":true,"confirm":"all"}`, 400, "ann bob ann bob"},
		{`{"cache":"users","confirm":"users","x":1}`, 400, "ann bob ann bob"},
		{`{"cache":"users","confirm":"users"} {}`, 400, "ann bob ann bob"},
		{`cache=users`, 400, "ann bob ann bob"},
		{`"` + strings.Repeat("x", 100<<10) + `"`, 400, "ann bob ann bob"},
		{`{"cache":"users","confirm":"users"}`, 200, "- - ann bob"},
		{`{"tags":["tag-ann"],"confirm":"tag-ann"}`, 200, "- bob - bob"},
		{`{"pattern":"users:b*"}`, 200, "ann - ann bob"},
		{`{"pattern":"users:*"}`, 200, "- - ann bob"},
		{`{"all":true,"confirm":"all"}`, 200, "- - - -"},
		{`{"pattern":"*","confirm":"all"}`, 200, "- - - -"},
	} {
		var left []string
		for _, id := range []string{"ann", "bob"} {
			for _, in := range []*strata.Cache[string, string]{users, orders} {
				if _, err := in.Get(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
		}
		post(t, h, "/deep/prefix/clear", c.body, c.want)
		for _, in := range []*strata.Cache[string, string]{users, orders} {
			for _, id := range []string{"ann", "bob"} {
				if _, err := in.Peek(context.Background(), id); err != nil {
					id = "-"
				}
				left = append(left, id)
			}
		}
		if got := strings.Join(left, " "); got != c.left {
			t.Errorf("%.60s: left %q, want %q", c.body, got, c.left)
		}
	}
}
