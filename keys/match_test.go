package keys_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata/keys"
)

// matchFacts is what a Redis server answers to KEYS pattern with only key in it.
var matchFacts = []struct {
	pattern, key string
	want         bool
}{
	{"", "", true},
	{"", "a", false},
	{"a", "", false},
	{"a", "a", true},
	{"a", "A", false},
	{"a", "ab", false},
	{"ab", "a", false},

	{"*", "", true},
	{"*", "a", true},
	{"*", "\x00\xff\n", true},
	{"**", "a", true},
	{"a*", "a", true},
	{"a**", "a", true},
	{"*a", "a", true},
	{"*a*", "a", true},
	{"*a", "ba", true},
	{"*a", "ab", false},
	{"a*c", "abcbc", true},
	{"a*c*e", "abcde", true},
	{"a*c*e", "abcd", false},
	{"*ab*ab", "abab", true},
	{"*ab*ab", "aab", false},
	{"*?", "", false},
	{"*?", "a", true},
	{"?*?", "a", false},
	{"?*?", "ab", true},

	{"?", "", false},
	{"?", "a", true},
	{"?", "é", false},
	{"??", "é", true},
	{"?", "\xff", true},
	{"?", "\x00", true},
	{"?", "\n", true},

	{"[ab]", "a", true},
	{"[ab]", "c", false},
	{"[ab]", "", false},
	{"[ab]", "ab", false},
	{"[ab]*", "bzz", true},
	{"[a-c]", "b", true},
	{"[a-c]", "d", false},
	{"[c-a]", "b", true},
	{"[a-cx-z]", "y", true},
	{"[^ab]", "c", true},
	{"[^ab]", "a", false},
	{"[^ab]", "", false},
	{"[^a-c]", "b", false},
	{"[^^]", "^", false},
	{"[^^]", "a", true},
	{"[a^]", "^", true},
	{"[!a]", "b", false},
	{"[!a]", "!", true},
	{"[*]", "*", true},
	{"[*]", "a", false},
	{"[?]", "a", false},
	{"[[]", "[", true},
	{"[é]", "é", false},
	{"[é][é]", "é", true},
	{"[\x80-\xff]", "\xc3", true},
	{"[\x00-\x7f]", "a", true},

	{`[\]]`, "]", true},
	{`[\]a]`, "a", true},
	{`[a\-c]`, "-", true},
	{`[a\-c]`, "b", false},
	{`[\^a]`, "^", true},
	{`[\\]`, `\`, true},
	{`[a-\]]`, "a]", true}, // the range from \ to a, then a literal ]
	{`[a-\]]`, "]]", true},
	{`[a-\]]`, "b]", false},

	{"[]", "", false},
	{"[]", "]", false},
	{"[]a]", "a", false},
	{"[]a]", "]", false},
	{"[^]", "a", true},
	{"[^]", "]", true},
	{"[^]a]", "ba]", true},
	{"[", "[", false},
	{"[", "", false},
	{"[^", "a", true},
	{"[^", "", false},
	{"[abc", "b", true},
	{"[abc", "d", false},
	{"[^abc", "d", true},
	{"[abc*", "bcd", false},
	{"[abc*", "*", true},
	{"x[a-", "xa", true},
	{"x[a-", "x-", true},
	{"[a-]", "`", true}, // the range from ] to a, not closed
	{"[a-]", "-", false},
	{"[-a]", "-", true},
	{"[-a]", "a", true},
	{`[\`, `\`, true},
	{`[a\`, `\`, true},

	{`\*`, "*", true},
	{`\*`, "a", false},
	{`\a`, "a", true},
	{`\?`, "?", true},
	{`\[a]`, "[a]", true},
	{`\\`, `\`, true},
	{`\`, `\`, true},
	{`a\`, `a\`, true},
	{`a\`, "a", false},
	{`*\`, `b\`, true},
	{`*\*`, "a*", true},
	{`*\*`, "ab", false},

	{"{a,b}", "a", false},
	{"{a,b}", "{a,b}", true},
	{"h[^e]llo", "hello", false},
	{"h[a-b]llo", "hbllo", true},
}

func TestMatch(t *testing.T) {
	for _, f := range matchFacts {
		if got := keys.Match(f.pattern, f.key); got != f.want {
			t.Errorf("Match(%q, %q) = %v, want %v", f.pattern, f.key, got, f.want)
		}
	}
}

// Where Redis is odd, Match is not: its comment says so.
func TestMatch_oddities(t *testing.T) {
	if !keys.Match("**", "") {
		t.Error(`Match("**", "") = false: a star matches no bytes too`)
	}
	if !keys.Match("[a-\xff]", "b") || keys.Match("[a-\xff]", "A") {
		t.Error("the ends of a range do not compare as unsigned bytes")
	}
}

// An exponential matcher would need longer than the age of the universe here.
func TestMatch_manyStars(t *testing.T) {
	pattern := strings.Repeat("a*", 200) + "b"
	if keys.Match(pattern, strings.Repeat("a", 2000)) {
		t.Error("a pattern that ends in b matched a key without one")
	}
}

func TestQuote(t *testing.T) {
	for literal, want := range map[string]string{
		"":         "",
		"user:42":  "user:42",
		"*":        `\*`,
		`a?[b]\c*`: `a\?\[b]\\c\*`,
		"^-{}é":    "^-{}é",
	} {
		if got := keys.Quote(literal); got != want {
			t.Errorf("Quote(%q) = %q, want %q", literal, got, want)
		}
	}
}

// slowMatch is the grammar written down as plainly as it goes: what an element
// matches is spelled out as a set of 256 bytes, and stars try everything.
func slowMatch(pattern, key string) bool {
	if pattern == "" {
		return key == ""
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], key) || key != "" && slowMatch(pattern, key[1:])
	}
	set, rest := element(pattern)
	return key != "" && set[key[0]] && slowMatch(rest, key[1:])
}

func element(pattern string) (set [256]bool, rest string) {
	c, rest := pattern[0], pattern[1:]
	switch {
	case c == '?':
		for i := range set {
			set[i] = true
		}
	case c == '\\' && rest != "":
		set[rest[0]], rest = true, rest[1:]
	case c == '[':
		rest, negated := strings.CutPrefix(rest, "^")
		for rest != "" && rest[0] != ']' {
			from, to, n := rest[0], rest[0], 1
			if rest[0] == '\\' && len(rest) > 1 {
				from, to, n = rest[1], rest[1], 2
			} else if len(rest) > 2 && rest[1] == '-' {
				from, to, n = min(rest[0], rest[2]), max(rest[0], rest[2]), 3
			}
			for i := int(from); i <= int(to); i++ {
				set[i] = true
			}
			rest = rest[n:]
		}
		for i := range set {
			set[i] = set[i] != negated
		}
		return set, strings.TrimPrefix(rest, "]")
	default:
		set[c] = true
	}
	return set, rest
}

func FuzzMatch(f *testing.F) {
	for _, m := range matchFacts {
		f.Add(m.pattern, m.key)
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if len(pattern) > 24 || len(key) > 24 {
			return // the plain matcher is exponential
		}
		if got, want := keys.Match(pattern, key), slowMatch(pattern, key); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, key, got, want)
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, m := range matchFacts {
		f.Add(m.pattern, m.key)
	}
	f.Fuzz(func(t *testing.T, literal, other string) {
		quoted := keys.Quote(literal)
		if !keys.Match(quoted, literal) {
			t.Errorf("Quote(%q) = %q does not match it", literal, quoted)
		}
		if other != literal && keys.Match(quoted, other) {
			t.Errorf("Quote(%q) = %q matches %q", literal, quoted, other)
		}
		if !keys.Match("*"+quoted+"*", "x"+literal+"y") {
			t.Errorf("*%s* does not match %q within something", quoted, literal)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ pattern, key string }{
		{"listing:v3:*", "listing:v3:42"},
		{"*:city:*:[0-9]*", "search:v1:city:paris:7"},
	} {
		b.Run(c.pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				keys.Match(c.pattern, c.key)
			}
		})
	}
}

func ExampleMatch() {
	fmt.Println(keys.Match("user:*:name", "user:42:name"))
	fmt.Println(keys.Match("user:[0-4]*", "user:7"))
	// Output:
	// true
	// false
}

func ExampleQuote() {
	// All keys that begin with what somebody typed, whatever that is.
	typed := "what?"
	fmt.Println(keys.Quote(typed) + "*")
	// Output: what\?*
}
