package keys_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lokroom/strata/keys"
)

// What each key must be, whatever it was made of.
func checkKey(t *testing.T, s, wide *keys.Space, maxLen int, tag string, parts []string) string {
	t.Helper()
	key := s.Tagged(tag, parts...)
	if len(key) > maxLen {
		t.Errorf("%q has %d bytes, more than %d", key, len(key), maxLen)
	}
	if !utf8.ValidString(key) {
		t.Errorf("%q is not UTF-8", key)
	}
	if i := strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		t.Errorf("%q has a control character", key)
	}
	if want := min(len(tag), 1); strings.Count(key, "{") != want || strings.Count(key, "}") != want {
		t.Errorf("%q with the tag %q has the wrong braces", key, tag)
	}
	if !keys.Match(s.All(), key) {
		t.Errorf("All does not match %q", key)
	}
	// In a space without a limit nothing but a long tag is shortened.
	whole := wide.Tagged(tag, parts...) == key && (tag == "" || len(wide.Key(tag))-len(wide.Prefix()) <= 64)
	gotTag, gotParts, ok := s.Parse(key)
	if ok != whole || ok && (gotTag != tag || !slices.Equal(gotParts, parts)) {
		t.Errorf("%q was made of %q, %q and parses as %q, %q, %v", key, tag, parts, gotTag, gotParts, ok)
	}
	return key
}

func FuzzSpace(f *testing.F) {
	for _, part := range []string{"", "~", ":", "%", "%3A", "{", "}", "{a}", "é", "\xff", "\xc3", "\xa9", "\x00", "*",
		strings.Repeat("x", 120), strings.Repeat("é%\xff", 50), "aaaaaaaaaaaaaaaaaaaaaaaaaa", "~aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		f.Add("a", "", part, "b", uint8(2), "", "a", part+"b", uint8(2), uint8(0))
		f.Add(part+"n", part, part, part, uint8(2), part, part+":", part, uint8(2), uint8(30))
		f.Add("a", part, part, part, uint8(1), part, part, part, uint8(2), uint8(1))
	}
	f.Fuzz(func(t *testing.T, name, tag1, a1, b1 string, n1 uint8, tag2, a2, b2 string, n2, extra uint8) {
		if name == "" || len(name) > 50 {
			return
		}
		maxLen := 3*len(name) + len(":v0:") + 94 + int(extra)
		s := space(t, name, &keys.Options{MaxLen: maxLen})
		wide := space(t, name, &keys.Options{MaxLen: 1 << 30})
		parts1 := []string{a1, b1}[:n1%3]
		parts2 := []string{a2, b2}[:n2%3]
		key1 := checkKey(t, s, wide, maxLen, tag1, parts1)
		key2 := checkKey(t, s, wide, maxLen, tag2, parts2)
		if same := tag1 == tag2 && slices.Equal(parts1, parts2); same != (key1 == key2) {
			t.Errorf("%q, %q and %q, %q give %q and %q", tag1, parts1, tag2, parts2, key1, key2)
		}
		// Parsing is strict: what parses is exactly what is made of it.
		if tag, parts, ok := s.Parse(s.Prefix() + a1); ok && s.Tagged(tag, parts...) != s.Prefix()+a1 {
			t.Errorf("%q parses as %q, %q, which give another key", s.Prefix()+a1, tag, parts)
		}
	})
}

// Every pair of short part lists over the bytes that matter, without chance.
func TestSpace_injective(t *testing.T) {
	alphabet := []string{"a", ":", "~", "%", "{", "}", "\xc3", "\xa9", "3", "A"}
	words := []string{""}
	for _, a := range alphabet {
		words = append(words, a)
		for _, b := range alphabet {
			words = append(words, a+b)
		}
	}
	s := space(t, "a", nil)
	seen := map[string]string{}
	add := func(tag string, parts ...string) {
		key := s.Tagged(tag, parts...)
		made := fmt.Sprintf("%q %q", tag, parts)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s give %q", made, other, key)
		}
		seen[key] = made
	}
	add("")
	for _, a := range words {
		add("", a)
		if a != "" {
			add(a)
		}
		for _, b := range words {
			add("", a, b)
			if a != "" {
				add(a, b)
			}
		}
	}
}
