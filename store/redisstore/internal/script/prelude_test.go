package script

import (
	"regexp"
	"strings"
	"testing"
)

// A script gets the definitions that it uses, directly or through others, and no more.
func TestNeeded(t *testing.T) {
	const prelude = `-- One.
local k=KEYS[1]
local function a(s) return s end
-- Uses a in two lines.
local function b(s)
  return a(s)
end
local function c() return 'b' end
`
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "return 1 -- a b c", ""},
		{"one", "return a(1)", "local function a(s) return s end\n"},
		{"through another", "return b(1)", "local function a(s) return s end\nlocal function b(s)\n  return a(s)\nend\n"},
		{"a name within another", "return ab(k)", "local k=KEYS[1]\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := needed(prelude, tc.text); got != tc.want {
				t.Errorf("needed = %q, want %q", got, tc.want)
			}
		})
	}
}

// No script names a variable as the prelude names a function: it would get that function, which
// a server then makes in each run.
func TestNeeded_noVariableWithTheNameOfAFunction(t *testing.T) {
	prelude, err := luaFiles.ReadFile("lua/prelude.lua")
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]bool{}
	for line := range strings.Lines(string(prelude)) {
		if name, ok := strings.CutPrefix(line, "local function "); ok {
			functions[name[:strings.Index(name, "(")]] = true
		}
	}
	files, err := luaFiles.ReadDir("lua")
	if err != nil || len(functions) == 0 {
		t.Fatalf("%d functions, %v", len(functions), err)
	}
	names := regexp.MustCompile(`local ([\w, ]+)`)
	for _, f := range files {
		text, err := luaFiles.ReadFile("lua/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(comment.ReplaceAllString(string(text), "")) {
			if m := names.FindStringSubmatch(line); m != nil && !strings.Contains(line, "local function") {
				for name := range strings.SplitSeq(m[1], ",") {
					if functions[strings.TrimSpace(name)] {
						t.Errorf("%s: %q is the name of a function of the prelude", f.Name(), name)
					}
				}
			}
		}
	}
}
