package redisstore

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// scriptChecks are all of them.
var scriptChecks = slices.Concat(leaseChecks, unstorableChecks, fillChecks, confirmChecks, writeChecks, expireChecks, tagChecks, claimChecks, trackedChecks, hostileChecks)

func TestScripts(t *testing.T) {
	testScripts(t, redistest.Start(t, nil))
}

// A node of a cluster refuses what goes beyond one slot, and keys that a script
// has not declared.
func TestScripts_cluster(t *testing.T) {
	testScripts(t, redistest.StartCluster(t, 1).Nodes[0])
}

func testScripts(t *testing.T, server *redistest.Server) {
	l := newLab(t, server)
	for _, c := range scriptChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := l.does(c); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestScripts_oneKey reads them: a slot that moves would stop a script of two keys,
// and one that makes up a key would not be stopped everywhere.
func TestScripts_oneKey(t *testing.T) {
	key := regexp.MustCompile(`KEYS\s*\[\s*([^\]]*?)\s*\]`)
	call := regexp.MustCompile(`redis\.p?call\(\s*'(\w+)'\s*(?:,\s*([^,)]+))?`)
	for name, s := range theScripts() {
		for line := range strings.Lines(s.text) {
			code, _, _ := strings.Cut(line, "--")
			for _, m := range key.FindAllStringSubmatch(code, -1) {
				if m[1] != "1" {
					t.Errorf("%s: %s", name, m[0])
				}
			}
			if n := strings.Count(code, "KEYS"); n != len(key.FindAllString(code, -1)) {
				t.Errorf("%s: KEYS is used as a whole: %s", name, line)
			}
			for _, m := range call.FindAllStringSubmatch(code, -1) {
				if m[1] != "TIME" && m[2] != "k" && m[2] != "KEYS[1]" {
					t.Errorf("%s: %s has another key", name, m[0])
				}
			}
		}
	}
}

// TestScripts_all holds that the checks run what the package does.
func TestScripts_all(t *testing.T) {
	set := theScripts()
	files, err := luaFiles.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".lua")
		text, err := luaFiles.ReadFile("lua/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := set[name]; name != "prelude" && (!ok || !strings.HasSuffix(s.text, string(text))) {
			t.Errorf("%s is not checked", f.Name())
		}
	}
	if len(set) != len(files)-1 {
		t.Errorf("%d scripts are checked, there are %d files", len(set), len(files))
	}
}
