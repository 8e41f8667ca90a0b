package integration_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runtimeNow is the line of package time that reads the wall clock.
const runtimeNow = "\tsec, nsec, mono := runtimeNow()\n"

// TestWallClock runs the tests of package wallclock with a package time with a settable
// wall clock. The monotonic clock is not affected.
func TestWallClock(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), runtimeNow); n == 0 {
		t.Fatalf("%s does not read the clock as this test knows it", src)
	}
	patched := strings.ReplaceAll(string(text), runtimeNow, runtimeNow+"\tsec += WallShift\n") +
		"\n// WallShift is by how many seconds the wall clock was set.\nvar WallShift int64\n"
	dir := t.TempDir()
	replaced := filepath.Join(dir, "time.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{src: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	for name, b := range map[string][]byte{replaced: []byte(patched), list: overlay} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-tags", "wallshift", "-count=1", "-v", "./wallclock")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "--- PASS"); n < 2*scenariosOfWallClock {
		t.Errorf("%d tests passed, want %d in each direction:\n%s", n, scenariosOfWallClock, out)
	}
}

// scenariosOfWallClock is the minimum number of scenarios in package wallclock.
const scenariosOfWallClock = 15
