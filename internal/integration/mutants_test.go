package integration_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/mutant"
)

// A layer is a set of tests that may detect a disabled fence.
type layer struct {
	name string
	dirs string // of the packages, separated by blanks
	run  string // pattern of the tests, without those that disable fences themselves
	skip string
}

var layers = []layer{
	{"synctest", "layered", ".", "L1Alone|Conformance"},
	{"redisstore", "store/redisstore store/redisstore/internal/link store/redisstore/internal/heartbeat store/redisstore/internal/script " +
		"store/redisstore/internal/tagclock store/redisstore/internal/notify",
		"Lease|Tag|Watch|Fill|Heartbeat|Push|Topology|Tracked|Script|Connection|RolledBack|Copies|Fanout|Listener|ReadReplicas", "Conformance|conformance|mutants"},
	{"forced", "internal/integration", ".", "Conformance|withoutTheGuard|Mutants|Alloc|Stampede|Processes|fenced_false"},
	{"fleet", "internal/integration/fleet", "History$", ""},
}

// inModel are the runs of internal/model without the same fence.
var inModel = map[string]string{
	"NoFence": "M3", "NoEpoch": "M12", "NoDial": "M9", "NoHeartbeat": "M11", "LateHeartbeat": "M10", "NoToken": "M1", "OneToken": "M2", "NoCompare": "M13",
	"OldJoin": "M5", "LateJoin": "M6", "NoRearm": "M4", "NoCap": "C4", "LateFill": "C5", "DropHold": "C7", "LeaseHold": "C9", "AlwaysAlone": "C2",
	"SetsShared": "C1", "EndsAll": "C6", "OneLink": "M7", "NoPostStep": "M8", "NoReplay": "D1", "LateStamp": "T1", "OldTag": "T2",
	"NoSlotMap": "S3", "NoClusterEpoch": "S4",
}

// inScripts are the fences that store/redisstore/internal/script/broken.go disables.
var inScripts = []string{"NoRearm", "NoCap", "LateFill", "DropHold", "LeaseHold", "AlwaysAlone", "SetsShared", "EndsAll"}

// notRun marks a layer after one that has detected the fault.
const notRun = "–"

// TestMutants disables one fence after the other and checks which tests fail: the table of
// internal/mutant/README.md. With STRATA_MUTANTS=all it does that for all fences, which
// takes half an hour, and writes the table; otherwise for one fence and the quick tests.
func TestMutants(t *testing.T) {
	names, some := append(slices.Sorted(maps.Keys(mutant.Switches)), inScripts...), layers
	all := os.Getenv("STRATA_MUTANTS")
	switch all {
	case "all":
	case "":
		names, some = []string{"NoFence"}, layers[:1]
	default:
		names = strings.Split(all, ",")
	}
	dir := t.TempDir()
	for _, l := range some {
		for _, d := range strings.Fields(l.dirs) {
			build := exec.Command("go", "test", "-c", "-tags", "mutants", "-o", binary(dir, d), "../../"+d)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	var table strings.Builder
	for _, name := range names {
		if mutant.Switches[name] == nil && !slices.Contains(inScripts, name) {
			t.Fatalf("there is no fence %s", name)
		}
		row, killed := []string{"`" + name + "`", inModel[name]}, false
		for _, l := range some {
			by := notRun
			if !killed {
				by = l.kill(t, dir, name)
				killed = by != ""
			}
			row = append(row, by)
		}
		line := "| " + strings.Join(row, " | ") + " |"
		t.Log(line)
		fmt.Fprintln(&table, line)
		if !killed && inModel[name] == "" {
			t.Errorf("nothing notices that %s is missing", name)
		}
	}
	if all == "all" {
		writeTable(t, table.String())
	}
}

func binary(dir, pkg string) string {
	return filepath.Join(dir, strings.ReplaceAll(pkg, "/", "-")+".test")
}

// kill runs the tests of the layer without a fence, and returns the first that fails
// because of that: it also fails alone, and passes with the fence. Other failures have
// other causes, such as a busy machine.
func (l *layer) kill(t *testing.T, dir, name string) string {
	t.Helper()
	skip := l.skip
	for range 5 {
		by, ok := l.try(t, dir, name, l.run, skip)
		switch {
		case ok:
			return ""
		case by == "": // a panic or a hang
			return "yes"
		}
		for range 3 {
			_, passes := l.try(t, dir, name, "^"+by+"$", "")
			if passes {
				continue
			}
			if _, passes = l.try(t, dir, "", "^"+by+"$", ""); passes {
				return "`" + by + "`"
			}
			break
		}
		skip = strings.Trim(skip+"|^"+by+"$", "|")
	}
	t.Errorf("%s, %s: too much fails by itself", name, l.name)
	return ""
}

// try runs tests without a fence, and returns the first that fails, if any.
func (l *layer) try(t *testing.T, dir, name, run, skip string) (failed string, ok bool) {
	t.Helper()
	for _, pkg := range strings.Fields(l.dirs) {
		if failed, ok = l.tryIn(t, dir, pkg, name, run, skip); !ok {
			break
		}
	}
	return failed, ok
}

func (l *layer) tryIn(t *testing.T, dir, pkg, name, run, skip string) (failed string, ok bool) {
	t.Helper()
	args := []string{"-test.run", run, "-test.timeout", "15m", "-test.v", "-test.failfast"}
	if skip != "" {
		args = append(args, "-test.skip", skip)
	}
	c := exec.Command(binary(dir, pkg), args...)
	c.Dir = "../../" + pkg
	c.Env = append(os.Environ(), "STRATA_MUTANT="+name)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	err := c.Run()
	if m := failLine.FindStringSubmatch(out.String()); m != nil {
		failed = m[1]
	}
	t.Logf("without %q, %s, %s: %v, %s", name, l.name, run, time.Since(began).Round(time.Second), failed)
	return failed, err == nil
}

var failLine = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

const tablePage = "../mutant/README.md"

// writeTable writes the rows to the page.
func writeTable(t *testing.T, rows string) {
	t.Helper()
	page, err := os.ReadFile(tablePage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), "<!-- begin mutants -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- end mutants -->")
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	title := "| without | model |"
	line := "|---|---|"
	for _, l := range layers {
		title, line = title+" "+l.name+" |", line+"---|"
	}
	text := head + "<!-- begin mutants -->\n" + title + "\n" + line + "\n" + rows + "<!-- end mutants -->" + tail
	if err := os.WriteFile(tablePage, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
