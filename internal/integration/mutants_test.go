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

// A layer is tests that may notice that a fence is missing.
type layer struct {
	name string
	dir  string // of the package
	run  string // which tests; those that take fences away themselves are left out
	skip string
}

var layers = []layer{
	{"synctest", "layered", ".", "L1Alone|Conformance"},
	{"redisstore", "store/redisstore", "Lease|Tag|Watch|Fill|Pulse|Push|Topology|Tracked|Script|Hear|Rewound", "Conformance|mutants"},
	{"forced", "internal/integration", ".", "History|Conformance|withoutTheGuard|withoutFences|Mutants|Alloc|Stampede|Processes|fenced_false"},
	{"fleet", "internal/integration", "History$", ""},
}

// inModel are the runs of internal/model that lack the same fence.
var inModel = map[string]string{
	"NoGuard": "M3", "NoEpoch": "M12", "NoDial": "M9", "NoPulse": "M11", "LatePulse": "M10", "NoToken": "M1", "OneToken": "M2", "NoCompare": "M13",
	"OldJoin": "M5", "LateJoin": "M6", "NoRearm": "M4", "NoCap": "C4", "LateFill": "C5", "DropHold": "C7", "LeaseHold": "C9", "AlwaysAlone": "C2",
	"SetsShared": "C1", "EndsAll": "C6", "OneLink": "M7", "NoPostStep": "M8", "NoReplay": "D1", "LateStamp": "T1", "OldTag": "T2",
	"NoSlotMap": "S3", "NoClusterEpoch": "S4",
}

// inScripts are the fences that store/redisstore/scripts_broken.go takes away.
var inScripts = []string{"NoRearm", "NoCap", "LateFill", "DropHold", "LeaseHold", "AlwaysAlone", "SetsShared", "EndsAll"}

// notRun is in the place of a layer that comes after one that has noticed.
const notRun = "–"

// TestMutants takes one fence away after the other and sees which tests notice, which
// is the table of docs/consistency.md. With STRATA_MUTANTS=all it does that for all,
// which takes half an hour, and writes the table; else for one fence and the quick tests.
func TestMutants(t *testing.T) {
	names, some := append(slices.Sorted(maps.Keys(mutant.Switches)), inScripts...), layers
	all := os.Getenv("STRATA_MUTANTS")
	switch all {
	case "all":
	case "":
		names, some = []string{"NoGuard"}, layers[:1]
	default:
		names = strings.Split(all, ",")
	}
	dir := t.TempDir()
	for _, l := range some {
		build := exec.Command("go", "test", "-c", "-tags", "mutants", "-o", l.binary(dir), "../../"+l.dir)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
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

func (l *layer) binary(dir string) string {
	return filepath.Join(dir, strings.ReplaceAll(l.dir, "/", "-")+".test")
}

// kill runs the tests of the layer without a fence, and returns the first that fails
// because of that: alone it fails again, and not where nothing is missing. Others had
// something else to fail for, a busy machine for instance.
func (l *layer) kill(t *testing.T, dir, name string) string {
	t.Helper()
	skip := l.skip
	for range 5 {
		by, ok := l.try(t, dir, name, l.run, skip)
		switch {
		case ok:
			return ""
		case by == "": // it panicked, or hung
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

// try runs tests without a fence, and returns the first that fails, if one does.
func (l *layer) try(t *testing.T, dir, name, run, skip string) (failed string, ok bool) {
	t.Helper()
	args := []string{"-test.run", run, "-test.timeout", "15m", "-test.v", "-test.failfast"}
	if skip != "" {
		args = append(args, "-test.skip", skip)
	}
	c := exec.Command(l.binary(dir), args...)
	c.Dir = "../../" + l.dir
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

const tablePage = "../../docs/consistency.md"

// writeTable puts the rows into the page.
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
