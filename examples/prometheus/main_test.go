package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestPrometheus: a real Prometheus scrapes the service, accepts the alert rules, and answers
// every query of the dashboard and of the rules, each of whose series the service exports.
func TestPrometheus(t *testing.T) {
	redis := redistest.Start(t, nil)
	handler, stop, err := newService(t.Context(), &strata.Config{RedisURL: redis.URL()}, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	service := httptest.NewServer(handler)
	defer service.Close()
	for range 3 {
		get(t, service.URL+"/listings/42")
	}
	corrupt(t, redis)
	get(t, service.URL+"/listings/43")
	var series map[string]bool
	id := 100
	redistest.WaitFor(t, "a listing to be verified", func() bool {
		id++
		get(t, fmt.Sprint(service.URL, "/listings/", id))
		series = exported(get(t, service.URL+"/metrics"))
		return series["strata_cache_verified_total"]
	})

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	rules, err := filepath.Abs("../../docs/grafana/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
	prometheus := startPrometheus(t, strings.TrimPrefix(service.URL, "http://"), rules)
	redistest.WaitFor(t, "two scrapes", func() bool {
		return len(query(t, prometheus, `count_over_time(strata_redis_connected[1m]) >= 2`)) > 0
	})
	for name, q := range queries(t, rules) {
		if m := regexp.MustCompile(`strata_[a-z_]+(?:\{|\[|\)|$| )`).FindAllString(q, -1); len(m) == 0 {
			t.Errorf("%s names no series: %s", name, q)
		}
		for _, s := range regexp.MustCompile(`\bstrata_(?:cache|redis)_[a-z_]*`).FindAllString(q, -1) {
			if !series[s] && !labels[s] {
				t.Errorf("%s: the service exports no %s: %s", name, s, q)
			}
		}
		query(t, prometheus, q)
	}
	if len(query(t, prometheus, `sum(strata_cache_requests_total{strata_cache_name="listing"}) >= 4`)) == 0 {
		t.Error("Prometheus does not have the reads")
	}
}

// labels are those that queries use, whose names look like those of series.
var labels = map[string]bool{
	"strata_cache_name": true, "strata_cache_tier": true, "strata_cache_result": true, "strata_cache_reason": true, "strata_cache_scope": true,
	"strata_cache_origin": true,
}

// corrupt overwrites the value of a listing that is not in memory.
func corrupt(t *testing.T, redis *redistest.Server) {
	t.Helper()
	keys, err := redis.Do("KEYS", "strata:listing:*")
	if err != nil || len(keys.([]any)) != 1 {
		t.Fatal(keys, err)
	}
	other := strings.TrimSuffix(fmt.Sprint(keys.([]any)[0]), "42") + "43"
	if _, err := redis.Do("SET", other, "no record"); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, u string) string {
	t.Helper()
	res, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", u, res.Status, err, body)
	}
	return string(body)
}

// exported returns the names of the series in the text format.
func exported(text string) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(text) {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
			names[name] = true
		}
	}
	return names
}

// startPrometheus returns the address of a Prometheus that scrapes target.
func startPrometheus(t *testing.T, target, rules string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is missing: apt-get install prometheus")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 200ms, evaluation_interval: 200ms}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: service, static_configs: [{targets: [%q]}]}]\n", rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // killed
		if t.Failed() {
			out, _ := os.ReadFile(log.Name())
			t.Logf("%s", out)
		}
	})
	redistest.WaitFor(t, "Prometheus to be ready", func() bool {
		res, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return "http://" + addr
}

// query returns the series that match q.
func query(t *testing.T, prometheus, q string) []any {
	t.Helper()
	body := get(t, prometheus+"/api/v1/query?query="+url.QueryEscape(q))
	var answer struct {
		Status string
		Data   struct{ Result []any }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v: %s", q, err, body)
	}
	return answer.Data.Result
}

// queries returns those of the dashboard and of the rules, with variables replaced.
func queries(t *testing.T, rules string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	text, err := os.ReadFile("../../docs/grafana/strata.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	replace := strings.NewReplacer("$job", ".*", "$cache", ".*", "$__rate_interval", time.Minute.String())
	for _, p := range dashboard.Panels {
		for i, target := range p.Targets {
			all[fmt.Sprint("panel ", p.Title, " ", i)] = replace.Replace(target.Expr)
		}
	}
	if text, err = os.ReadFile(rules); err != nil {
		t.Fatal(err)
	}
	exprs := regexp.MustCompile(`(?m)^ +- alert: (\w+)\n +expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)`).FindAllStringSubmatch(string(text), -1)
	for _, m := range exprs {
		all["alert "+m[1]] = m[2] + m[3]
	}
	if len(exprs) != 9 || len(all) < 20 {
		t.Fatalf("%d alerts, %d queries", len(exprs), len(all))
	}
	return all
}
