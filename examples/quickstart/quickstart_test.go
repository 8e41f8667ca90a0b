package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lokroom/strata/internal/redistest"
)

// asProgram makes the test binary act as the program, so that tests can run it and it can
// run itself as the second process.
const asProgram = "QUICKSTART_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the program with args, without the Redis of the environment.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "REDIS_URL=", "REDIS_PASSWORD=")
	return cmd
}

// play runs the program and returns its output, which must be on stdout only.
func play(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	return stdout.String()
}

// prints fails unless each pattern matches a whole line of out, in this order.
func prints(t *testing.T, out string, patterns ...string) {
	t.Helper()
	rest := out
	for _, p := range patterns {
		at := regexp.MustCompile(`(?m)^` + p + `$`).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no line like %q in\n%s", p, out)
		}
		rest = rest[at[1]:]
	}
}

func TestQuickstart_L1Only(t *testing.T) {
	out := play(t)
	const times = ` +[\d.]+ (ns|µs|ms|s) +[\d.]+ (ns|µs|ms|s)`
	prints(t, out,
		`  L2      none; .*`,
		`the source, without a cache +1,000 +- +1,000`+times,
		`cold: .* 1,000 +0\.0% +1,000`+times,
		`a crowd: .* 1,000 +[\d.]+% +1`+times,
		`warming up: .* 200,000 +9\d\.\d% +8,\d\d\d`+times,
		`warm: .* 200,000 +100\.0% +0`+times,
		`changed: .* 100 +0\.0% +100`+times,
		`absent: .* 1,000 +[\d.]+% +200`+times,
		`ok     1,000 callers at once wanted the same cold listing: one read of the source, for all of them`,
		`ok     a warm read is some [\d,]+ times as fast as one of the source \(median\)`,
		`ok     100 listings were changed .*: none of the next reads saw the old one`,
		`ok     200 ids that do not exist were asked for 5 times each: 200 reads of the source`,
	)
	aligned(t, out)
	if n := strings.Count(out, "\nok "); n != 4 {
		t.Errorf("%d checks, want 4 without a Redis:\n%s", n, out)
	}
}

func TestQuickstart_withRedis(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{Password: "secret"})
	if _, err := server.Do("SET", "somebody's", "own"); err != nil {
		t.Fatal(err)
	}
	out := play(t, "-redis", server.URL())
	prints(t, out,
		`  L2      the Redis of .*`,
		`a crowd: .* 1,000 +[\d.]+% +0\.0% +1 .*`,
		`newcomer: .* 1,000 +0\.0% +100\.0% +0 .*`,
		`ok     1,000 callers .*: one read of the source, for all of them`,
		`ok     an empty L1 got 1,000 of 1,000 listings from L2: no read of the source`,
		`ok     50 changes made here reached the memory of a second process: after .* \(median\), .* \(longest\)`,
		`ok     in between it read the listing [\d,]+ times, [\d,]+ of them from its own memory`,
	)
	aligned(t, out)
	if strings.Contains(out, "secret") {
		t.Errorf("the password is printed:\n%s", out)
	}
	keys, err := server.Do("KEYS", "[^q]*")
	if left, ok := keys.([]any); err != nil || !ok || len(left) != 1 {
		t.Errorf("Redis has %v that are somebody else's, error %v; want the one that was there before", keys, err)
	}
	// Only the clock of the tags and the time of Clear remain.
	keys, err = server.Do("KEYS", "quickstart:[^!]*")
	if left, ok := keys.([]any); err != nil || !ok || len(left) != 0 {
		t.Errorf("the program left %d keys in Redis, error %v", len(left), err)
	}
}

// aligned fails unless the lines of the table end at the same column.
func aligned(t *testing.T, out string) {
	t.Helper()
	lines := strings.Split(out, "\n")
	rule := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "---") })
	if rule < 1 {
		t.Fatalf("no table in\n%s", out)
	}
	for _, l := range lines[rule-1:] {
		if l == "" {
			return
		}
		if got, want := utf8.RuneCountInString(l), len(lines[rule]); got != want {
			t.Errorf("%d columns, want %d:\n%s\n%s", got, want, l, lines[rule])
		}
	}
}

func TestQuickstart_mistakes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"no Redis there", "unavailable", []string{"-redis", "redis://:secret@127.0.0.1:1"}},
		{"not a URL", "Config.RedisURL", []string{"-redis", "secret"}},
		{"a peer of nobody", "REDIS_URL", []string{"-peer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := command(t, c.args...)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("the exit code is %d, want 1", cmd.ProcessState.ExitCode())
			}
			if s := stderr.String(); !strings.HasPrefix(s, "quickstart: ") || !strings.Contains(s, c.want) || strings.Contains(s, "secret") {
				t.Errorf("it printed %q, want %q in it and no secret", s, c.want)
			}
		})
	}
}

// TestPeer_endsWithItsParent: the second process ends when its parent does.
func TestPeer_endsWithItsParent(t *testing.T) {
	server := redistest.Start(t, nil)
	cmd := command(t, "-peer", "-redis", server.URL())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestReport_failedCheck: a false claim is shown, and is an error.
func TestReport_failedCheck(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out, false)
	r.check(true, "this is so")
	r.check(false, "%d loads", 2)
	err := r.close()
	if err == nil || err.Error() != "1 of 2 checks failed" {
		t.Errorf("the error is %v", err)
	}
	prints(t, out.String(), `ok     this is so`, `FAILED 2 loads`)
}

// TestTour_failingCache runs the checks with a cache that does not work, and expects them
// to fail.
func TestTour_failingCache(t *testing.T) {
	db := newDatabase()
	backend, listings, err := open(t.Context(), "", func(ctx context.Context, id int64) (Listing, error) {
		l, err := db.Listing(ctx, id)
		db.reads.Add(1)            // as if it had been read twice
		l.Version = min(0, l.Beds) // and no change seen
		return l, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	var out bytes.Buffer
	tr := &tour{db: db, listings: listings, report: newReport(&out, false)}
	for _, step := range []func(context.Context) error{tr.crowd, tr.changes, tr.absent} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.report.close(); err == nil || tr.report.failed != 3 {
		t.Errorf("%d checks failed, error %v; want 3:\n%s", tr.report.failed, err, &out)
	}
}

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		87: "87 ns", 1200: "1.2 µs", 45600: "45.6 µs", 123456: "123 µs", 2345678: "2.35 ms", 1500000000: "1.5 s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]int{0: 0, 7: 7, 42: 42, 187: 180, 21636: 21000} {
		if got := rounded(n); got != want {
			t.Errorf("rounded(%d) = %d, want %d", n, got, want)
		}
	}
}
