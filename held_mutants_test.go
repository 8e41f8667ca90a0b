package strata_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// passedOn matches a field of a struct literal that passes an option on.
var passedOn = regexp.MustCompile(`\w+:\s+(?:max\()?(o|b\.cfg)\.(\w+)(?:\.untracked\(\))?(?:, 0\))?,`)

// usedAt are the options that are not passed on but used in the root: without that code, the
// test of the option fails.
var usedAt = []struct{ option, file, old, new string }{
	{"Options.MaxTTL", "options.go", "return min(ttl, o.MaxTTL)", "return ttl"},
	{"Options.OverrideOf", "options.go", "over = o.OverrideOf(id)", ""},
	{"Options.IdleTTL", "complete.go", "ttl = min(cmp.Or(ttl, c.opts.TTL), c.opts.IdleTTL)", ""},
	{"Options.KeepInL1", "new.go", "o.keepL1(c.id)", "nil"},
	{"Options.SourceFirst", "read.go", "case c.opts.SourceFirst:", "case false:"},
	{"Options.RefreshEvery", "new.go", "o.RefreshEvery > 0", "false"},
	{"Options.RefreshFor", "new.go", "c.opts.RefreshFor", "0"},
	{"Config.Hooks", "backend.go", "b.cfg.Hooks.observer(b.cfg.Observer)", "b.cfg.Observer"},
}

// complaint matches what a test says when it fails.
var complaint = regexp.MustCompile(`\w+_test\.go:\d+: .*`)

// TestHeld_mutants: without what passes an option on, the test of the option in heldBy fails.
// It runs with "make options", not with all tests: each option takes a build.
func TestHeld_mutants(t *testing.T) {
	only := os.Getenv("STRATA_OPTIONS")
	ran := 0
	for _, file := range []string{"new.go", "backend.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range passedOn.FindAllSubmatchIndex(code, -1) {
			name := map[string]string{"o": "Options.", "b.cfg": "Config."}[string(code[at[2]:at[3]])] + string(code[at[4]:at[5]])
			if heldBy[name] == "" {
				t.Errorf("%s passes on %s, which heldBy does not have", file, name)
			}
			ran++
			if only == "all" || only == name {
				without := string(code[:at[0]]) + string(code[at[1]:])
				t.Run(name, func(t *testing.T) { mustFail(t, file, without, heldBy[name]) })
			}
		}
	}
	for _, u := range usedAt {
		code, err := os.ReadFile(u.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(code), u.old); n != 1 {
			t.Errorf("%s has %q %d times", u.file, u.old, n)
		}
		if only == "all" || only == u.option {
			t.Run(u.option, func(t *testing.T) {
				mustFail(t, u.file, strings.Replace(string(code), u.old, u.new, 1), heldBy[u.option])
			})
		}
	}
	if ran < 25 {
		t.Errorf("only %d options are passed on", ran)
	}
}

// mustFail runs a test of the root with other code in file, and fails unless it does.
func mustFail(t *testing.T, file, code, test string) {
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	changed, overlay := filepath.Join(t.TempDir(), file), filepath.Join(t.TempDir(), "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(dir, file): changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(code), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-count=1", "-vet=off", "-timeout", "5m", "-overlay", overlay, "-run", "^"+test+"$", ".").CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("%s passes without it", test)
	case strings.Contains(string(out), "[build failed]"), !strings.Contains(string(out), "--- FAIL: "+test) && !strings.Contains(string(out), "panic: "):
		t.Errorf("%s did not run:\n%s", test, out)
	default:
		t.Logf("noticed: %s", complaint.Find(out))
	}
}
