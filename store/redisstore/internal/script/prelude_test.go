package script

import "testing"

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
