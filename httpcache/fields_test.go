package httpcache

import (
	"reflect"
	"testing"
)

// TestFields: the parsing algorithms of RFC 9651 section 4.2. A field with an error anywhere is
// no field.
func TestFields(t *testing.T) {
	str := func(s string) fieldItem { return fieldItem{kind: kindString, text: s} }
	num := func(n int64) fieldItem { return fieldItem{kind: kindInteger, num: n} }
	inner := func(items ...fieldItem) fieldItem { return fieldItem{kind: kindList, list: items} }
	for in, want := range map[string][]fieldItem{
		"": {}, "  1": {num(1)}, "1,2": {num(1), num(2)}, "1 \t, \t-2 ": {num(1), num(-2)}, "00": {num(0)}, "999999999999999": {num(999999999999999)},
		`"a\"\\"`: {str(`a"\`)}, `""`: {str("")}, "?1": {{kind: kindBoolean, num: 1}}, "?0;a": {{kind: kindBoolean}}, "@-7": {{kind: kindDate, num: -7}},
		"a:b/*": {{kind: kindToken, text: "a:b/*"}}, "*a": {{kind: kindToken, text: "*a"}}, ":YQ==:": {{kind: kindBytes, text: "a"}}, "::": {{kind: kindBytes}},
		`%"%c3%bc"`: {{kind: kindDisplay, text: "ü"}}, "1.5": {{kind: kindDecimal, num: 1}}, "123456789012.123": {{kind: kindDecimal, num: 123456789012}},
		"()": {inner()}, `("a" 1)`: {inner(str("a"), num(1))}, "( 1  2 );q=1, 3": {inner(num(1), num(2)), num(3)}, "(1;a);  b;c=?0": {inner(num(1))},
		"1;*=1;a.b-c_d*=x": {num(1)},
	} {
		if got, err := parseList([]string{in}); err != nil || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		",", "1,", "1,,2", "1 2", "\t1", "-", "--1", "+1", "1000000000000000", "1.", ".5", "1.2345", "1234567890123.1", "1e3",
		`"a`, `"\a"`, `"\`, "\"\x7f\"", "\"ü\"", "'a'", "?", "?2", "?true", "@", "@1.5", ":YQ==", ":Y!:", ":=YQ:", ":Y\nQ=:",
		`%"%C3%BC"`, `%"%c3"`, `%"%c"`, `%"a`, "%a", "(", "(1", "(1,2)", "(1(2))", "(1\t2)", `("a""b")`, "1;A", "1;", "1;a=", "1 ;a", "a=1", "{}", "ü",
	} {
		if got, err := parseList([]string{in}); err == nil {
			t.Errorf("%q: %v, want an error", in, got)
		}
	}
}

// TestFields_dictionary: RFC 9651 section 4.2.2. The last of two members with one key counts.
func TestFields_dictionary(t *testing.T) {
	got, err := parseDictionary([]string{"a=1, b;x=2", "c=?0,  a=(2 3);y, *d-._*"})
	want := map[string]fieldItem{
		"a": {kind: kindList, list: []fieldItem{{kind: kindInteger, num: 2}, {kind: kindInteger, num: 3}}},
		"b": {kind: kindBoolean, num: 1}, "c": {kind: kindBoolean}, "*d-._*": {kind: kindBoolean, num: 1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, in := range []string{"a=", "A=1", "1=1", "a=1,", ",a", "a b", "a =1", "a= 1", "a=1 b=2", "-a", "a=1;;b", "a,,b", "é=1"} {
		if got, err := parseDictionary([]string{in}); err == nil {
			t.Errorf("%q: %v, want an error", in, got)
		}
	}
}
