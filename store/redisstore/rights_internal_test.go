package redisstore

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redisrights"
)

// Ping asks for the right to every command that a script calls.
func TestRights_scripts(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "internal/script/*.go", "internal/script/lua/*.lua", "internal/script/lua/*/*.lua"} {
		match, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, match...)
	}
	call := regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	called := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			called++
			name := strings.ToLower(m[1])
			if !strings.HasSuffix(file, "_test.go") && !slices.ContainsFunc(needed, func(r redisrights.Right) bool { return r.Name == name }) {
				t.Errorf("%s calls %s, which Ping does not ask for", file, name)
			}
		}
	}
	if called < 50 {
		t.Errorf("found only %d calls", called)
	}
}
