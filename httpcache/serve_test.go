package httpcache_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/httpcache"
)

const s1 = time.Second

// TestRequests: what requests say (RFC 9111 section 5.2.1, 4.3.2; RFC 9110 section 13).
func TestRequests(t *testing.T) {
	const tagged = `200|Cache-Control: max-age=60|Etag: "v1"`
	first := call{res: tagged, want: "M", body: "0123456789"}
	after := func(name string, calls ...call) scenario {
		return scenario{name: name, calls: append([]call{first}, calls...)}
	}
	runScenarios(t, []scenario{
		after("no-cache", call{req: "GET /a|Cache-Control: no-cache", want: "R"}),
		after("max-age=0", call{req: "GET /a|Cache-Control: max-age=0", want: "R"}),
		after("max-age=1 at age 2", call{after: 2 * s1, req: "GET /a|Cache-Control: max-age=1", want: "R"}),
		after("max-age=5 at age 2", call{after: 2 * s1, req: "GET /a|Cache-Control: max-age=5", want: "H"}),
		after("min-fresh", call{req: "GET /a|Cache-Control: min-fresh=100", want: "R"}, call{req: "GET /a|Cache-Control: min-fresh=10", want: "H"}),
		after("no-store on a fresh one", call{req: "GET /a|Cache-Control: no-store", want: "H"}),
		after("pragma", call{req: "GET /a|Pragma: no-cache", want: "H"}),
		after("only-if-cached with an entry", call{req: "GET /a|Cache-Control: only-if-cached", want: "H"}),
		after("only-if-cached with a stale entry", call{after: 61 * s1, req: "GET /a|Cache-Control: only-if-cached", want: "504"}),
		after("only-if-cached with a stale entry that is accepted", call{after: 61 * s1, req: "GET /a|Cache-Control: only-if-cached, max-stale=5", want: "H"}),
		after("max-stale", call{after: 61 * s1, req: "GET /a|Cache-Control: max-stale=5", want: "H"}, call{after: 10 * s1, req: "GET /a|Cache-Control: max-stale=5", want: "R"}),
		after("max-stale without a value", call{after: 30 * time.Minute, req: "GET /a|Cache-Control: max-stale", want: "H"}),
		after("max-stale with an invalid value", call{after: 61 * s1, req: "GET /a|Cache-Control: max-stale=x", want: "R"}),
		after("max-age and max-stale", call{after: 2 * s1, req: "GET /a|Cache-Control: max-age=1, max-stale=5", want: "H"}),
		after("If-None-Match", call{req: `GET /a|If-None-Match: "v1"`, want: "304", is: "-", has: `Etag: "v1"|Cache-Control: max-age=60`, lacks: "Content-Type"}),
		after("If-None-Match, weak", call{req: `GET /a|If-None-Match: W/"v1"`, want: "304"}),
		after("If-None-Match, list", call{req: `GET /a|If-None-Match: "x", "v1"`, want: "304"}),
		after("If-None-Match, lines", call{req: `GET /a|If-None-Match: "x"|If-None-Match: "v1"`, want: "304"}),
		after("If-None-Match, star", call{req: `GET /a|If-None-Match: *`, want: "304"}),
		after("If-None-Match, other", call{req: `GET /a|If-None-Match: "v2"`, want: "H"}),
		after("If-None-Match, no tag", call{req: `GET /a|If-None-Match: v1`, want: "H"}),
		after("If-None-Match beats If-Modified-Since", call{req: `GET /a|If-None-Match: "v2"|If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT`, want: "H"}),
		after("If-Modified-Since without Last-Modified", call{req: "GET /a|If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", want: "304"}),
		after("If-Modified-Since, old", call{req: "GET /a|If-Modified-Since: Thu, 01 Jan 1998 00:00:00 GMT", want: "H"}),
		after("If-Modified-Since, invalid", call{req: "GET /a|If-Modified-Since: yesterday", want: "H"}),
		after("HEAD", call{req: "HEAD /a", want: "H", is: "-", has: "Content-Length: 10"}),
		after("HEAD with Range", call{req: "HEAD /a|Range: bytes=0-3", want: "H", has: "Content-Length: 10"}),
		after("range", call{req: "GET /a|Range: bytes=0-3", want: "206", is: "0123", has: "Content-Range: bytes 0-3/10|Content-Length: 4"}),
		after("range, end", call{req: "GET /a|Range: bytes=-2", want: "206", is: "89"}),
		after("range, unit in another case", call{req: "GET /a|Range: BYTES=0-3", want: "206", is: "0123"}),
		after("ranges", call{req: "GET /a|Range: bytes=0-1,4-5", want: "206"}),
		after("range, outside", call{req: "GET /a|Range: bytes=50-60", want: "416"}),
		after("range, other unit", call{req: "GET /a|Range: items=0-3", want: "H", is: "0123456789"}),
		after("If-Range", call{req: `GET /a|Range: bytes=0-3|If-Range: "v1"`, want: "206"}),
		after("If-Range, weak", call{req: `GET /a|Range: bytes=0-3|If-Range: W/"v1"`, want: "H"}),
		after("If-Range, other", call{req: `GET /a|Range: bytes=0-3|If-Range: "v2"`, want: "H", is: "0123456789"}),
		after("If-Range, a date without Last-Modified", call{req: "GET /a|Range: bytes=0-3|If-Range: Thu, 01 Jan 1998 00:00:00 GMT", want: "H"}),
		after("If-Match is for the handler", call{req: `GET /a|If-Match: "v2"`, want: "M"}, call{want: "H"}),
		after("Cookie", call{req: "GET /a|Cookie: a=b", want: "H"}),
		after("Authorization", call{req: "GET /a|Authorization: Basic x", want: "M"}, call{want: "H"}),
		after("other method name", call{req: "FOO /a", want: "M"}, call{want: "M"}),
	})
}

// TestRequests_cold: requests for what is not stored.
func TestRequests_cold(t *testing.T) {
	const tagged = `200|Cache-Control: max-age=60|Etag: "v1"`
	cold := func(req, want string, more ...call) scenario {
		return scenario{name: req, calls: append([]call{{req: req, res: tagged, want: want, body: "0123456789"}}, more...)}
	}
	private := func(req, want string) scenario {
		s := cold(req, want)
		s.name, s.calls[0].res = "private "+req, `200|Cache-Control: private, max-age=60|Etag: "v1"`
		return s
	}
	runScenarios(t, []scenario{
		cold("GET /a|Cache-Control: only-if-cached", "504"),
		cold("GET /a|Cache-Control: no-store", "M", call{want: "M"}, call{want: "H"}),
		cold("GET /a|Cache-Control: max-stale", "M", call{want: "H"}),
		cold(`GET /a|If-None-Match: "v1"`, "M 304", call{want: "H", is: "0123456789"}),
		cold(`GET /a|If-None-Match: "v2"`, "M", call{want: "H"}),
		cold("GET /a|Range: bytes=0-3", "M", call{want: "M"}, call{want: "H"}),
		cold("HEAD /a", "M", call{want: "M"}),
		cold("GET /a|Authorization: Basic x", "M", call{want: "M"}),
		private(`GET /a|If-None-Match: "v1"`, "M 304"),
		private(`GET /a|If-None-Match: "v2"`, "M"),
		cold("QUERY /a", "M", call{want: "M"}),
	})
}

// TestAuthorization: RFC 9111 section 3.5. A response that may be shared is also served to others.
func TestAuthorization(t *testing.T) {
	auth := func(cc, want string) scenario {
		return scenario{name: cc, calls: []call{
			{req: "GET /a|Authorization: Basic x", res: "200|Cache-Control: " + cc, want: "M"},
			{req: "GET /a|Authorization: Basic y", want: want},
			{want: want}, // and nobody else
		}}
	}
	runScenarios(t, []scenario{
		auth("max-age=60", "M"),
		auth("max-age=60, public", "H"),
		auth("s-maxage=60", "H"),
		auth("max-age=60, must-revalidate", "H"),
		auth("max-age=60, s-maxage=x", "M"),
		auth("max-age=60, private, public", "M"),
	})
}

// TestStale: RFC 9111 section 4.2.4, RFC 5861.
func TestStale(t *testing.T) {
	const cut, down = "0", "503"
	stale := func(cc, res string, after time.Duration, want string) scenario {
		return scenario{name: cc + " then " + res + " after " + after.String(), calls: []call{
			{res: "200|Cache-Control: " + cc, want: "M"}, {after: after, res: res, want: want}}}
	}
	runScenarios(t, []scenario{
		stale("max-age=1", fresh60, 2*s1, "M"),
		stale("max-age=1, stale-while-revalidate=30", fresh60, 2*s1, "S"),
		stale("max-age=1, stale-while-revalidate=3", fresh60, 6*s1, "M"),
		stale("max-age=1, stale-while-revalidate=30, must-revalidate", fresh60, 2*s1, "M"),
		stale("max-age=1, stale-while-revalidate=30, proxy-revalidate", fresh60, 2*s1, "M"),
		stale("s-maxage=1, stale-while-revalidate=30", fresh60, 2*s1, "M"),
		stale("max-age=1, stale-if-error=30", cut, 2*s1, "E"),
		stale("max-age=1, stale-if-error=30", down, 2*s1, "E"),
		stale("max-age=1, stale-if-error=30", "500", 2*s1, "E"),
		stale("max-age=1, stale-if-error=30", "502", 2*s1, "E"),
		stale("max-age=1, stale-if-error=30", "504", 2*s1, "E"),
		stale("max-age=1, stale-if-error=30", "501", 2*s1, "M"),
		stale("max-age=1, stale-if-error=30", "404", 2*s1, "M"),
		stale("max-age=1, stale-if-error=3", cut, 6*s1, "M 502"),
		stale("max-age=1, stale-if-error=3", down, 6*s1, "M"),
		stale("max-age=1", cut, 2*s1, "M 502"),
		stale("max-age=1", down, 2*s1, "M"),
		stale("max-age=1, stale-if-error=30, must-revalidate", down, 2*s1, "M"),
		stale("max-age=1, stale-if-error=30, proxy-revalidate", down, 2*s1, "M"),
		stale("s-maxage=1, stale-if-error=30", down, 2*s1, "M"),
		stale("max-age=60, stale-if-error=30, no-cache", down, 2*s1, "M"),
		stale("max-age=2, must-revalidate", cut, 3*s1, "M 502"),
		stale("max-age=2, proxy-revalidate", cut, 3*s1, "M 502"),
		stale("max-age=2, no-cache", cut, 3*s1, "M 502"),
		stale("max-age=2, s-maxage=2", cut, 3*s1, "M 502"),
	})
	opts := &httpcache.Options{StaleWhileRevalidate: 30 * s1, StaleIfError: time.Minute}
	defaults := []scenario{
		stale("max-age=1", fresh60, 2*s1, "S"),
		stale("max-age=1", fresh60, 50*s1, "M"),
		stale("max-age=1", down, 50*s1, "E"),
		stale("max-age=1, stale-while-revalidate=0, stale-if-error=0", down, 2*s1, "M"),
		stale("max-age=1, must-revalidate", down, 2*s1, "M"),
		stale("max-age=1, no-cache", down, 2*s1, "M"),
		stale("max-age=2, must-revalidate", cut, 3*s1, "M 502"),
		stale("max-age=2, proxy-revalidate", cut, 3*s1, "M 502"),
		stale("max-age=2, no-cache", cut, 3*s1, "M 502"),
		stale("max-age=2, s-maxage=2", cut, 3*s1, "M 502"),
	}
	for i := range defaults {
		defaults[i].opts = opts
	}
	t.Run("options", func(t *testing.T) { runScenarios(t, defaults) })
}

// TestRevalidation: RFC 9111 sections 3.2 and 4.3.
func TestRevalidation(t *testing.T) {
	const v1 = `200|Cache-Control: max-age=1|Etag: "v1"|X-Foo: 1`
	runScenarios(t, []scenario{
		{name: "304 updates the fields", calls: []call{
			{res: v1, want: "M", body: "one"},
			{after: 2 * s1, res: `200|Cache-Control: max-age=60|Etag: "v1"|X-Foo: 2`, want: "R", is: "one", has: "X-Foo: 2|Cache-Control: max-age=60"},
			{after: 30 * s1, want: "H", is: "one", has: "X-Foo: 2|Age: 30"}}},
		{name: "a new representation", calls: []call{
			{res: v1, want: "M"},
			{after: 2 * s1, res: `200|Cache-Control: max-age=60|Etag: "v2"`, want: "C", body: "two", is: "two"},
			{want: "H", is: "two", has: `Etag: "v2"`}}},
		{name: "Last-Modified", calls: []call{
			{res: "200|Cache-Control: max-age=1|Last-Modified: Thu, 01 Jan 1998 00:00:00 GMT", want: "M", body: "one"},
			{after: 2 * s1, want: "R", is: "one"}}},
		{name: "the client has v2, v1 is stored", calls: []call{
			{res: v1, want: "M", body: "one"},
			{after: 2 * s1, req: `GET /a|If-None-Match: "v2"`, res: `200|Cache-Control: max-age=60|Etag: "v2"`, want: "C 304", body: "two"},
			{want: "H", is: "two"}}},
		{name: "the client has v1, too", calls: []call{
			{res: v1, want: "M", body: "one"},
			{after: 2 * s1, req: `GET /a|If-None-Match: "v1"`, want: "R"},
			{want: "H", is: "one"}}},
		{name: "range of a stale one", calls: []call{
			{res: v1, want: "M", body: "0123456789"},
			{after: 2 * s1, req: "GET /a|Range: bytes=0-3", want: "R 206", is: "0123"}}},
		{name: "range of a new one", calls: []call{
			{res: v1, want: "M", body: "0123456789"},
			{after: 2 * s1, res: `200|Cache-Control: max-age=60|Etag: "v2"`, req: "GET /a|Range: bytes=0-3", want: "C 206", body: "abcdefghij", is: "abcd"}}},
		{name: "HEAD with the same validators", calls: []call{
			{res: v1, want: "M"}, {after: 2 * s1, req: "HEAD /a", want: "M"}, {want: "R"}}},
		{name: "HEAD with another validator", calls: []call{
			{res: v1, want: "M"}, {after: 2 * s1, req: "HEAD /a", res: `200|Cache-Control: max-age=1|Etag: "v2"`, want: "M"}, {want: "M"}}},
		{name: "kept for an hour", calls: []call{
			{res: v1, want: "M"}, {after: 59 * time.Minute, want: "R"}, {after: 61 * time.Minute, want: "M"}}},
		{name: "now private", calls: []call{
			{res: v1, want: "M"}, {after: 2 * s1, res: `200|Cache-Control: private|Etag: "v2"`, want: "C"}, {res: v1, want: "R"}}},
	})
}

// TestFields: what a stored response says about itself (RFC 9111 section 5.1, RFC 9211).
func TestFields(t *testing.T) {
	const hop = "200|Cache-Control: max-age=60|Connection: X-Hop, close|X-Hop: 1|Keep-Alive: 5|Proxy-Authenticate: x|Ratelimit: 5|X-End: 1"
	runScenarios(t, []scenario{
		{name: "age", calls: []call{{res: fresh60, want: "M", lacks: "Age"}, {after: 5 * s1, want: "H", has: "Age: 5|Cache-Status: lab; hit; ttl=55"}}},
		{name: "age of the origin", calls: []call{{res: fresh60 + "|Age: 50", want: "M"}, {after: 5 * s1, want: "H", has: "Age: 55"}, {after: 6 * s1, want: "M"}}},
		{name: "date of the origin", calls: []call{{res: fresh60 + "|Date: NOW", want: "M"}, {after: 5 * s1, want: "H", has: "Age: 5|Date: Sat, 01 Jan 2000 00:00:00 GMT"}}},
		{name: "no date", calls: []call{{res: fresh60, want: "M"}, {after: 5 * s1, want: "H", has: "Date: Sat, 01 Jan 2000 00:00:00 GMT"}}},
		{name: "hop by hop", calls: []call{{res: hop, want: "M"}, {want: "H", has: "X-End: 1", lacks: "X-Hop|Connection|Keep-Alive|Proxy-Authenticate|Ratelimit"}}},
		{name: "lines", calls: []call{{res: fresh60 + "|X-A: 1|X-A: 2", want: "M"}, {want: "H", has: "X-A: 1 // 2"}}},
		{name: "type", calls: []call{{res: fresh60, want: "M", body: "<html>"}, {want: "H", has: "Content-Type: text/html; charset=utf-8"}}},
		{name: "status of another cache", calls: []call{{res: fresh60 + "|Cache-Status: up; hit", want: "M", has: "Cache-Status: up; hit // lab; fwd=uri-miss"}}},
		{name: "refused", calls: []call{{res: "200|Cache-Control: private", want: "M", has: "Cache-Status: lab; fwd=uri-miss; detail=private"}}},
	})
}
