package httpcache

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzControl: no input panics, and what it says does not depend on how lines are split.
func FuzzControl(f *testing.F) {
	for _, s := range []string{"max-age=60", `private="a, b", max-age="6\0"`, "no-store,,=,\"", "max-age = 1, max-stale"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := parseControl([]string{s})
		if twice := parseControl([]string{s, s}); !strings.Contains(s, `"`) && twice != c {
			t.Errorf("%q: %+v, and twice %+v", s, c, twice)
		}
		if c.maxAge.seconds < 0 || c.maxAge.seconds > maxDelta {
			t.Errorf("%q: max-age %d", s, c.maxAge.seconds)
		}
	})
}

// FuzzFields: the parsers of structured fields.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"max-age=60, a;b=?0", `"a", "b"`, `(1 2.5);x, :YQ==:`, `%"%c3%bc"`, "@1", "a=(", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := parseDictionary([]string{s})
		if _, again := parseDictionary([]string{s, ""}); err == nil && s != "" && again == nil && strings.Trim(s, " ") != "" {
			t.Errorf("%q is valid with an empty line after it", s)
		}
		_, _ = parseList([]string{s})
		_, _ = parseTargeted([]string{s})
	})
}

// FuzzRecord: what parses is what was encoded, and nothing else panics.
func FuzzRecord(f *testing.F) {
	rec := record{status: 200, generation: "g", names: "a", values: "b", head: string(appendField(nil, "A", "b")), body: "body"}
	b, _ := recordCodec{}.Append(nil, rec.encode())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := recordCodec{}.Decode(b)
		if err != nil {
			return
		}
		rec, ok := parseRecord(s)
		_ = rec.header()
		_ = rec.first("A")
		if body, err := rec.identity(); err == nil && len(body) > maxRatio*len(rec.body) {
			t.Errorf("%d bytes of %d", len(body), len(rec.body))
		}
		if !ok {
			return
		}
		if again, ok := parseRecord(rec.encode()); !ok || again.body != rec.body || again.head != rec.head || again.received != rec.received || again.values != rec.values {
			t.Errorf("%+v became %+v", rec, again)
		}
	})
}

// FuzzCompress: a body that was compressed is decompressed to itself.
func FuzzCompress(f *testing.F) {
	f.Add(strings.Repeat("x", 5000))
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.Repeat(body, 1+minCompress/(len(body)+1))
		short, ok := compress(body)
		if !ok {
			return
		}
		rec := record{flags: zipped, body: short}
		if got, err := rec.identity(); err != nil || got != body || rec.size() != len(body) {
			t.Errorf("%d bytes became %d, %v", len(body), len(got), err)
		}
	})
}

// FuzzHead: a stored header is the one that was packed.
func FuzzHead(f *testing.F) {
	for _, name := range []string{"Date", "Content-Type", "Vary", "X-Own", "Expires"} {
		for _, line := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", "text/html", "Accept-Encoding", "", "0"} {
			f.Add(name, line)
		}
	}
	f.Fuzz(func(t *testing.T, name, line string) {
		if notStored[name] || name == "Connection" {
			return
		}
		h := http.Header{name: {line, "x"}, "Etag": {`"1"`}}
		rec := record{head: packHead(h)}
		if got := rec.header(); !reflect.DeepEqual(got, h) {
			t.Errorf("%v became %v", h, got)
		}
	})
}

// FuzzKey: two requests that a handler can distinguish by their URL have different keys.
func FuzzKey(f *testing.F) {
	f.Add("/a?b=1", "a.test", "/a%3Fb=1", "A.test:80")
	f.Add("/a/../b", "a.test.", "/b", "a.test")
	f.Add("/a b", "x", "/a", "x")
	c := &Cache{}
	f.Fuzz(func(t *testing.T, target1, host1, target2, host2 string) {
		key := func(target, host string) (string, *http.Request) {
			u, err := url.ParseRequestURI(target)
			if err != nil {
				return "", nil
			}
			r := &http.Request{Method: "GET", URL: u, Host: host, RequestURI: target, Header: http.Header{}}
			k, ok := c.keyOf(r)
			if !ok {
				return "", nil
			}
			if strings.Contains(k, " ") {
				t.Errorf("%q has a space, as keys of variants have", k)
			}
			return k, r
		}
		k1, r1 := key(target1, host1)
		k2, r2 := key(target2, host2)
		if r1 == nil || r2 == nil || k1 != k2 {
			return
		}
		if targetOf(r1) != targetOf(r2) || normalHost(strings.ToLower(host1), "http") != normalHost(strings.ToLower(host2), "http") {
			t.Errorf("%q on %q and %q on %q: %s", target1, host1, target2, host2, k1)
		}
	})
}

// FuzzSearch: queries that share a key have the same names and values but for those that the
// rule names.
func FuzzSearch(f *testing.F) {
	f.Add(`params=("a")`, "a=1&b=2", "b=2&a=3")
	f.Add(`except=("a" "b"), key-order`, "a=%31&b=2", "b=2&a=1&&c")
	f.Add("key-order", "a+b=%26", "a%20b=%2526")
	f.Fuzz(func(t *testing.T, field, one, two string) {
		rule, ok := parseSearch([]string{field})
		if !ok {
			return
		}
		if again, ok := parseRule(rule.ruleText()); !ok || again.ruleText() != rule.ruleText() {
			t.Errorf("%+v became %+v", rule, again)
		}
		k1, ok1 := rule.normalize(one)
		k2, ok2 := rule.normalize(two)
		if !ok1 || !ok2 || k1 != k2 {
			return
		}
		v1, err1 := url.ParseQuery(one)
		v2, err2 := url.ParseQuery(two)
		if err1 != nil || err2 != nil {
			return // a semicolon: those are part of values
		}
		for _, v := range []url.Values{v1, v2} {
			maps.DeleteFunc(v, func(name string, _ []string) bool { return slices.Contains(rule.names, name) != rule.all })
		}
		if !reflect.DeepEqual(v1, v2) {
			t.Errorf("%q: %q and %q have one key", field, one, two)
		}
	})
}

// FuzzContent: two contents with one hash have the same fields and bytes.
func FuzzContent(f *testing.F) {
	f.Add("a", "b", "c", "ab", "", "c")
	f.Fuzz(func(t *testing.T, type1, coding1, body1, type2, coding2, body2 string) {
		h1 := http.Header{"Content-Type": {type1}, "Content-Encoding": {coding1}}
		h2 := http.Header{"Content-Type": {type2}, "Content-Encoding": {coding2}}
		same := type1 == type2 && coding1 == coding2 && body1 == body2
		if got := contentHash(h1, []byte(body1)) == contentHash(h2, []byte(body2)); got != same {
			t.Errorf("one hash: %v, want %v", got, same)
		}
	})
}

// FuzzTags: entity tags and Accept-Encoding.
func FuzzTags(f *testing.F) {
	f.Add(`"a", W/"b", *`, `"b"`)
	f.Add(`gzip;q=0, br`, `W/"`)
	f.Fuzz(func(t *testing.T, list, tag string) {
		_ = matchesTag([]string{list}, tag)
		_ = acceptedCodings([]string{list})
		_ = acceptsGzip(&http.Request{Header: http.Header{"Accept-Encoding": {list}}})
		eachDirective(list, func(string, string, bool) {})
	})
}
