package strata_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wallTime are the methods and functions of package time that read the wall clock.
// Durations are measured by the monotonic clock, which is never set.
var wallTime = []string{"Unix", "UnixMilli", "UnixMicro", "UnixNano"}

// mayReadWallTime are the places that start process time, each with one read of the wall
// clock, and those that compare the clocks of two machines for display. Other code uses
// store.Time, or a time.Time from time.Now.
var mayReadWallTime = []string{"store/time.go", "ratelimit/table.go", "store/redisstore/diagnose_clock.go"}

// noSpans are packages that only test, show or measure, and codec, which encodes the times
// of users.
var noSpans = []string{"codec", "examples", "benchmarks", "internal/redistest", "internal/history", "internal/model", "internal/integration"}

// TestArchitecture_wallTime: no duration in a process is measured by the wall clock.
func TestArchitecture_wallTime(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		p = filepath.ToSlash(p)
		if err != nil || d.IsDir() {
			if d != nil && slices.Contains(noSpans, p) {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || slices.Contains(mayReadWallTime, p) {
			return nil
		}
		files++
		for _, v := range usesOfWallTime(t, p, nil) {
			t.Error(v)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func TestArchitecture_wallTime_violations(t *testing.T) {
	for src, want := range map[string]int{
		`time.Now().UnixMilli()`: 1, `time.Now().UnixNano()`: 1, `time.UnixMilli(x)`: 1, `at.Unix()`: 1, `time.Now().Round(0)`: 1,
		`time.Now()`: 0, `time.Since(at)`: 0, `d.Round(time.Second)`: 0, `store.Now()`: 0,
	} {
		if got := usesOfWallTime(t, "x.go", "package x\nvar _ = "+src); len(got) != want {
			t.Errorf("%s: %q", src, got)
		}
	}
}

// usesOfWallTime returns a sentence for each.
func usesOfWallTime(t *testing.T, name string, src any) (out []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		strips := f.Sel.Name == "Round" && len(call.Args) == 1 && isZero(call.Args[0])
		if strips || slices.Contains(wallTime, f.Sel.Name) {
			out = append(out, fmt.Sprintf("%v: %s takes the time of the wall clock, which can be set: use store.Time", set.Position(call.Pos()), f.Sel.Name))
		}
		return true
	})
	return out
}

func isZero(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Value == "0"
}
