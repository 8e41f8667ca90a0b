package main

import (
	"strings"
	"testing"
	"time"
)

const printed = `Running 2s test @ http://127.0.0.1:1
  Latency Distribution
     50%   94.00us
     99%    1.31ms
  17262 requests in 2.00s, 37.85MB read
Requests/sec:   8631.25
`

// TestParse: what wrk prints is read, and failed requests are an error.
func TestParse(t *testing.T) {
	got, err := parse(printed)
	if want := (sample{8631.25, 1310 * time.Microsecond}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "  Non-2xx or 3xx responses: 5\n" + printed, "  Socket errors: connect 1\n" + printed} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q has no error", bad)
		}
	}
}

// TestReport: the ratios are those of turns that followed each other.
func TestReport(t *testing.T) {
	all := make(map[work][]sample)
	for _, n := range connections {
		for i := range 3 {
			fast := float64(i + 1)
			all[work{"httpcache", n}] = append(all[work{"httpcache", n}], sample{100 * fast, time.Second})
			all[work{"nginx", n}] = append(all[work{"nginx", n}], sample{200 * fast, 2 * time.Second})
		}
	}
	var b strings.Builder
	if err := report(&b, []server{{name: "httpcache"}, {name: "nginx"}}, all, 3, time.Second); err != nil {
		t.Fatal(err)
	}
	if want := "64           nginx      400         2s   0.50 (0.50 to 0.50)      0.50 (0.50 to 0.50)"; !strings.Contains(b.String(), want) {
		t.Errorf("no line %q in\n%s", want, b.String())
	}
}
