package httpcache_test

import (
	"fmt"
	"testing"
	"time"
)

// TestVary: RFC 9111 section 4.1.
func TestVary(t *testing.T) {
	varies := func(name, vary string, calls ...call) scenario {
		calls[0].res = fresh60 + "|" + vary
		return scenario{name: name, calls: calls}
	}
	seven := scenario{name: "seven in turn"}
	for i := range 14 {
		seven.calls = append(seven.calls, call{req: fmt.Sprintf("GET /a|X-B: %d", i%7), res: fresh60 + "|Vary: X-B", want: []string{"M", "H"}[i/7]})
	}
	const en, fr = "GET /a|Accept-Language: en", "GET /a|Accept-Language: fr"
	runScenarios(t, []scenario{
		varies("languages", "Vary: Accept-Language", call{req: en, want: "M"}, call{req: fr, want: "M"}, call{req: en, want: "H", is: "body 1"}, call{req: fr, want: "H"}),
		varies("names have no case", "VARY: accept-LANGUAGE", call{req: en, want: "M"}, call{req: fr, want: "M"}, call{req: "GET /a|ACCEPT-language: en", want: "H"}),
		varies("values have", "Vary: X-B", call{req: "GET /a|X-B: b", want: "M"}, call{req: "GET /a|X-B: B", want: "M"}),
		varies("but not those of Accept-Language", "Vary: Accept-Language", call{req: en, want: "M"}, call{req: "GET /a|Accept-Language: EN", want: "H"}),
		varies("white space", "Vary: X-B", call{req: "GET /a|X-B: a, b", want: "M"}, call{req: "GET /a|X-B: a,b", want: "H"}),
		varies("lines", "Vary: X-B", call{req: "GET /a|X-B: a|X-B: b", want: "M"}, call{req: "GET /a|X-B: a, b", want: "H"}, call{req: "GET /a|X-B: a", want: "M"}),
		varies("two lines, other second", "Vary: Accept-Language|Vary: X-B", call{req: en + "|X-B: 1", want: "M"}, call{req: en + "|X-B: 2", want: "M"}, call{req: en + "|X-B: 1", want: "H"}),
		varies("two lines, other first", "Vary: Accept-Language|Vary: X-B", call{req: en + "|X-B: 1", want: "M"}, call{req: fr + "|X-B: 1", want: "M"}),
		varies("absent", "Vary: X-B", call{want: "M"}, call{req: "GET /a|X-B:", want: "M"}, call{want: "H"}),
		varies("then without Vary", "Vary: Accept-Language", call{req: en, want: "M"}, call{req: fr, res: fresh60, want: "M"},
			call{req: en, want: "H", is: "body 1"}, call{req: "GET /a|Accept-Language: de", want: "M"}),
		varies("more names", "Vary: X-A", call{req: "GET /a|X-A: 1|X-B: 1", want: "M"},
			call{req: "GET /a|X-A: 2|X-B: 1", res: fresh60 + "|Vary: X-A, X-B", want: "M"},
			call{req: "GET /a|X-A: 2|X-B: 2", want: "M"}, call{req: "GET /a|X-A: 2|X-B: 1", want: "H"}, call{req: "GET /a|X-A: 2|X-B: 2", want: "H"}),
		seven,
		varies("revalidated with its own validator", `Vary: X-B|Etag: "b"`, call{req: "GET /a|X-B: 1", want: "M"},
			call{req: "GET /a|X-B: 2", want: "M"}, call{after: 61 * s1, req: "GET /a|X-B: 2", want: "R"}, call{req: "GET /a|X-B: 1", want: "R"}),
		varies("purged together", "Vary: X-B", call{req: "GET /a|X-B: 1", want: "M"}, call{req: "GET /a|X-B: 2", want: "M"}, call{req: "POST /a", res: "204", want: "M"},
			call{req: "GET /a|X-B: 2", res: fresh60 + "|Vary: X-B", want: "M"}, call{req: "GET /a|X-B: 1", want: "M"}),
	})
}

// A URL has at most 73 stored responses.
func TestVary_bounded(t *testing.T) {
	s := scenario{name: "bound"}
	for i := range 300 {
		s.calls = append(s.calls, call{req: fmt.Sprintf("GET /a|X-B: %d", i), res: fresh60 + "|Vary: X-B", want: "M"})
	}
	runScenarios(t, []scenario{s})
}

// TestAcceptEncoding: requests that accept the same codings share a response; nobody gets a
// coding that it does not accept.
func TestAcceptEncoding(t *testing.T) {
	const vary = fresh60 + "|Vary: Accept-Encoding"
	pair := func(a, b, want string) scenario {
		req := func(v string) string {
			if v == "none" {
				return "GET /a"
			}
			return "GET /a|Accept-Encoding: " + v
		}
		return scenario{name: a + " and " + b, calls: []call{{req: req(a), res: vary, want: "M"}, {req: req(b), want: want}}}
	}
	runScenarios(t, []scenario{
		pair("gzip, br", "br,gzip", "H"),
		pair("gzip, br", "br;q=0.5, GZIP;q=1.0, identity", "H"),
		pair("gzip, br", "gzip", "M"),
		pair("gzip", "none", "M"),
		pair("gzip", "gzip;q=0", "M"),
		pair("gzip", "gzip;q=0.000", "M"),
		pair("gzip", "x-own", "M"),
		pair("gzip", "gzip, x-own", "M"),
		pair("gzip", "*", "M"),
		pair("gzip", "gzip, identity;q=0", "M"),
		pair("gzip", "gzip, *;q=0", "M"),
		pair("identity", "identity;q=0", "M"),
		pair("gzip", "gzip;q=1;x=2", "M"),
		pair("gzip", "gzip, gzip;q=0", "M"),
	})
}

// TestInvalidation: RFC 9111 section 4.4. after is what a request leaves of a stored response.
func TestInvalidation(t *testing.T) {
	after := func(req, res, then string) scenario {
		return scenario{name: req + " " + res, calls: []call{
			{req: "GET http://x.test/a", res: fresh60, want: "M"},
			{req: req, res: res, want: "M"},
			{req: "GET http://x.test/a", res: fresh60, want: then}}}
	}
	const a, b = "http://x.test/a", "http://x.test/b"
	runScenarios(t, []scenario{
		after("POST "+a, "200", "M"), after("POST "+a, "302", "M"), after("PUT "+a, "204", "M"), after("DELETE "+a, "200", "M"),
		after("PATCH "+a, "200", "M"), after("FOO "+a, "200", "M"), after("M-SEARCH "+a, "200", "M"),
		after("POST "+a, "404", "H"), after("POST "+a, "500", "H"),
		after("POST http://X.test:80/a", "200", "M"),
		after("OPTIONS "+a, "200", "H"), after("TRACE "+a, "200", "H"), after("QUERY "+a, "200", "H"),
		after("POST "+b, "201|Location: /a", "M"), after("POST "+b, "200|Content-Location: http://x.test/a", "M"),
		after("POST "+b, "201|Location: http://y.test/a", "H"), after("POST http://y.test/b", "201|Location: http://x.test/a", "H"),
		after("POST "+b, "400|Location: /a", "H"), after("GET "+b, "200|Location: /a", "H"),
		after("POST "+a+"?q=2", "200", "H"), after("POST "+b, "200", "H"),
		after("POST "+a, "200|Cache-Control: max-age=60|Content-Location: /a", "M"),
	})
}

// TestGroups: RFC 9875.
func TestGroups(t *testing.T) {
	const grouped = fresh60 + `|Cache-Groups: "one", "two"`
	after := func(name, req, res, then string) scenario {
		return scenario{name: name, calls: []call{
			{req: "GET http://x.test/a", res: grouped, want: "M"}, {req: "GET http://x.test/a", want: "H"},
			{req: req, res: res, want: "M"}, {req: "GET http://x.test/a", res: fresh60, want: then}}}
	}
	const one = `204|Cache-Group-Invalidation: "one"`
	runScenarios(t, []scenario{
		after("invalidated", "POST http://x.test/b", one, "M"),
		after("second group", "POST http://x.test/b", `204|Cache-Group-Invalidation: "two"`, "M"),
		after("other group", "POST http://x.test/b", `204|Cache-Group-Invalidation: "One"`, "H"),
		after("other origin", "POST http://y.test/b", one, "H"),
		after("safe method", "GET http://x.test/b", one, "H"),
		after("invalid", "POST http://x.test/b", `204|Cache-Group-Invalidation: one, "two`, "H"),
	})
}

// What a handler reads before a change is not stored after it.
func TestInvalidation_overtakes(t *testing.T) {
	overtaken(t, 0)
	overtaken(t, time.Second)
}
