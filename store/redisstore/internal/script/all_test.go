package script

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore/internal/record"
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
		if s, ok := set[name]; name != "prelude" && (!ok || !strings.HasSuffix(s.text, record.Lua(string(text)))) {
			t.Errorf("%s is not checked", f.Name())
		}
	}
	if len(set) != len(files)-1 {
		t.Errorf("%d scripts are checked, there are %d files", len(set), len(files))
	}
}

// literalOffset matches what cuts a record at a number: the layout is said in package record.
var literalOffset = regexp.MustCompile(`(sub|byte|u64)\((h|blob|hold),[\d]|struct\.unpack\('[^']*',(h|blob),\d|RANGE',k,(0,[1-9]|[1-9])|(flag|with|without)\(.*,\d+\)|rep\('\\0',([0-79]|8\d)|[VN]\\\d|#h~=\d|\b88\b|\b87\b`)

func TestScripts_haveNoLiteralOffsets(t *testing.T) {
	files, err := luaFiles.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := luaFiles.ReadFile("lua/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if code, _, _ := strings.Cut(line, "--"); literalOffset.MatchString(code) {
				t.Errorf("%s: %s", f.Name(), line)
			}
		}
	}
	if n := len(literalOffset.FindAllString(record.Lua("string.sub(h,$id) byte(h,$flags.pos)'GETRANGE',k,0,$last 'SETRANGE',k,$id.at,v rep('\\0',$from.version.to.size)"), -1)); n != 5 {
		t.Errorf("%d of 5 literal offsets are found", n)
	}
}
