package admin_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/ratelimit"
)

// TestPage: without JavaScript the page has the numbers, under any prefix and by role.
func TestPage(t *testing.T) {
	o := &admin.Options{ShowKeys: true}
	h, b := handler(t, nil, o)
	c := cache(t, b, "us<ers")
	get := func(path string) string {
		t.Helper()
		w := request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: path}.send(h)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Content-Security-Policy") == "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		return w.Body.String()
	}
	get("/") // counting of keys begins
	for range 1001 {
		if _, err := c.Get(t.Context(), "<b>ann"); err != nil {
			t.Fatal(err)
		}
	}
	text := get("/any/prefix/")
	for _, want := range []string{"Healthy", "us&lt;ers", "1,000 hits", "99.9 %", "&lt;b&gt;ann", "needs the role Operate", `<a href="./?refresh">`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "<b>ann") || strings.Contains(text, `id="clear"`) || strings.Contains(text, "http-equiv") {
		t.Error("the page has what it must not")
	}
	if !strings.Contains(get("/?refresh"), `<noscript><meta http-equiv="refresh" content="10"></noscript>`) {
		t.Error("the page does not refresh")
	}
	if m := regexp.MustCompile(`(?:src|href|action)="(?:/|https?:)[^"]*"|\son\w+=|\sstyle=|<style|<script>`).FindString(text); m != "" {
		t.Errorf("the page has %q", m)
	}
	o.Authorize = operate
	h, _ = handler(t, nil, o)
	if text := get("/x/"); !strings.Contains(text, `id="clear"`) || !strings.Contains(text, "No cache is open") {
		t.Error("the role Operate has no form")
	}
}

// TestPage_files: the page is small, needs nothing of another origin, and is not sent again.
func TestPage_files(t *testing.T) {
	files, err := filepath.Glob("page/*")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	total, h := 0, func() *admin.Handler { h, _ := handler(t, nil, nil); return h }()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		total += len(b)
		if lines := strings.Count(string(b), "\n"); lines > 300 {
			t.Errorf("%s has %d lines", file, lines)
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		if m := regexp.MustCompile(`https?://|innerHTML|eval\(|\.style\b`).FindString(text); m != "" {
			t.Errorf("%s has %q", file, m)
		}
		name := filepath.Base(file)
		if name == "page.html" {
			continue
		}
		q := request{peer: "127.0.0.1:1", host: "localhost", method: "GET", path: "/p/" + name}
		w := q.send(h)
		if w.Code != 200 || w.Body.String() != string(b) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		q.header = map[string]string{"If-None-Match": w.Header().Get("ETag")}
		if w := q.send(h); w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("%s again: %d", name, w.Code)
		}
	}
	if t.Logf("%d bytes", total); total > 60_000 {
		t.Errorf("the page has %d bytes", total)
	}
}

// TestHistory: wrong requests, and a cache before its first step.
func TestHistory(t *testing.T) {
	h, b := handler(t, nil, nil)
	get(t, h, "/history?step=5", 400)
	get(t, h, "/history?cache=users", 404)
	cache(t, b, "users")
	if a := get(t, h, "/history?cache=users&step=10", 200); a["step_seconds"] != 10.0 || len(a["rows"].([]any)) != 0 {
		t.Error(a)
	}
}

// TestTop: keys are hashes unless they may be shown.
func TestTop(t *testing.T) {
	for _, show := range []bool{false, true} {
		h, b := handler(t, nil, &admin.Options{ShowKeys: show})
		users, orders := cache(t, b, "users"), cache(t, b, "orders")
		get(t, h, "/top", 200)
		for i := range 4000 {
			in := users
			if i%4 == 0 {
				in = orders
			}
			if _, err := in.Get(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
		}
		a := get(t, h, "/top", 200)
		keys := a["keys"].([]any)
		first := keys[0].(map[string]any)
		if len(keys) != 2 || first["cache"] != "users" || (first["key"] == "ann") != show || a["shown"] != show {
			t.Errorf("ShowKeys %v: %v", show, a)
		}
		if a := get(t, h, "/top?cache=orders", 200); len(a["keys"].([]any)) != 1 {
			t.Error(a)
		}
	}
}

// TestLimiter: decisions are counted by policy, and Peek is none.
func TestLimiter(t *testing.T) {
	h, _ := handler(t, nil, nil)
	local, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 2, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l := h.Limiter(local)
	for range 3 {
		if _, err := l.Allow(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []func() error{
		func() error { _, err := l.Peek(t.Context(), "k"); return err },
		func() error { _, err := l.AllowN(t.Context(), "k", 0); return err },
		func() error { _, _, err := l.Take(t.Context(), "other", 5); return err },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.AllowN(t.Context(), "k", -1); err == nil {
		t.Fatal("a negative cost")
	}
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Wait(short, "k", 1); err == nil {
		t.Fatal("a wait for an hour")
	}
	total := map[string]float64{}
	for _, p := range get(t, h, "/live", 200)["limiters"].([]any) {
		for _, how := range []string{"allowed", "denied", "errors"} {
			total[how] += p.(map[string]any)[how].(float64)
		}
	}
	if total["allowed"] != 3 || total["denied"] != 2 || total["errors"] != 1 {
		t.Error(total)
	}
}
