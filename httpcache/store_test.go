package httpcache_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/httpcache"
)

const fresh60 = "200|Cache-Control: max-age=60"

// twice is a scenario in which the second of two equal requests has this outcome.
func twice(res, want string) scenario {
	return scenario{name: res, calls: []call{{res: res, want: "M"}, {want: want}}}
}

// TestStored: which responses answer the next request (RFC 9111 section 3, 4.2.1, 5.2).
func TestStored(t *testing.T) {
	runScenarios(t, []scenario{
		twice("200|Cache-Control: max-age=60", "H"),
		twice("200|Cache-Control: s-maxage=60, max-age=0", "H"),
		twice("200|Cache-Control: max-age=60, s-maxage=0", "M"),
		twice("200|Cache-Control: no-store, max-age=60", "M"),
		twice("200|Cache-Control: max-age=60|Cache-Control: no-store", "M"),
		twice("200|Cache-Control: private, max-age=60", "M"),
		twice(`200|Cache-Control: private="X-User", max-age=60`, "M"),
		twice(`200|Cache-Control: no-cache="X-User", max-age=60|Etag: "1"`, "R"),
		twice(`200|Cache-Control: no-cache, max-age=60|Etag: "1"`, "R"),
		twice("200|Cache-Control: max-age=60|Set-Cookie: a=b", "M"),
		twice("200|Cache-Control: public, s-maxage=60|Set-Cookie: a=b", "M"),
		twice("200|Cache-Control: MAX-AGE=60", "H"),
		twice("200|Cache-Control: S-Maxage=60", "H"),
		twice(`200|Cache-Control: max-age="60"`, "H"),
		twice("200|Cache-Control: max-age=60.5", "M"),
		twice("200|Cache-Control: max-age = 60", "M"),
		twice("200|Cache-Control: max-age=-1", "M"),
		twice("200|Cache-Control: max-age=", "M"),
		twice("200|Cache-Control: max-age", "M"),
		twice("200|Cache-Control: max-age=2147483648", "H"),
		twice("200|Cache-Control: max-age=99999999999999999999", "H"),
		twice("200|Cache-Control: max-age=60, max-age=60", "H"),
		twice("200|Cache-Control: max-age=60, max-age=1", "M"),
		twice("200|Cache-Control: max-age=1|Cache-Control: max-age=60", "M"),
		twice(`200|Cache-Control: max-age=60, x="a, no-store"`, "H"),
		twice("200|Cache-Control: max-age=60, x-no-store", "H"),
		twice("200|Cache-Control: max-age=60|Pragma: no-cache", "H"),
		twice("200|Cache-Control: max-age=60|Expires: Thu, 01 Jan 1970 00:00:00 GMT", "H"),
		twice("200|Cache-Control: max-age=0|Expires: Thu, 01 Jan 2099 00:00:00 GMT", "M"),
		twice("200|Expires: Thu, 01 Jan 2099 00:00:00 GMT", "H"),
		twice("200|Expires: 0", "M"),
		twice("200|Expires: -1", "M"),
		twice("200|Expires: tomorrow", "M"),
		twice("200", "M"),
		twice("200|Last-Modified: Thu, 01 Jan 1998 00:00:00 GMT", "M"),
		twice("404|Cache-Control: max-age=60", "404"),
		twice("301|Cache-Control: max-age=60", "301"),
		twice("302|Cache-Control: max-age=60", "302"),
		twice("307|Cache-Control: max-age=60", "307"),
		twice("308|Cache-Control: max-age=60", "308"),
		twice("201|Cache-Control: max-age=60", "201"),
		twice("204|Cache-Control: max-age=60", "204"),
		twice("299|Cache-Control: max-age=60", "299"),
		twice("206|Cache-Control: max-age=60|Content-Range: bytes 0-1/2", "M"),
		twice("206|Cache-Control: max-age=60|Content-Range: bytes 4-9/10", "M"), // with other lengths, too
		twice("403|Cache-Control: max-age=60", "M"),
		twice("429|Cache-Control: max-age=60", "M"),
		twice("500|Cache-Control: max-age=60", "M"),
		twice("503|Cache-Control: max-age=60", "M"),
		twice("301", "M"),
		twice("410", "M"),
		twice("200|Cache-Control: must-understand, no-store, max-age=60", "H"),
		twice("299|Cache-Control: must-understand, no-store, max-age=60", "M"),
		twice("200|Cache-Control: max-age=60|Vary: *", "M"),
		twice("200|Cache-Control: max-age=60|Vary: X-B, *", "M"),
		twice("200|Cache-Control: max-age=60|Content-Type: text/event-stream", "M"),
		twice("200|Cache-Control: max-age=60|Incremental: ?1", "M"),
		twice("200|Cache-Control: max-age=60|Age: 50", "H"),
		twice("200|Cache-Control: max-age=60|Age: 100", "M"),
		twice("200|Cache-Control: max-age=60|Age: words", "M"),
		twice("200|Cache-Control: max-age=60|Age: 0, 0", "M"),
		twice("200|Cache-Control: max-age=60|Age: 0,7200", "M"),
		twice("200|Cache-Control: max-age=60|Age: 7200, 0", "M"),
		twice("200|Cache-Control: max-age=60|Age: 0|Age: 7200", "M"),
		twice("200|Cache-Control: max-age=60|Age: 0|Age: 0", "M"),
		twice("200|Cache-Control: max-age=60|Date: Thu, 01 Jan 1998 00:00:00 GMT", "M"),
		twice("200|Surrogate-Control: max-age=60|Cache-Control: no-store", "M"),
		twice("200|X-Accel-Expires: 60|Cache-Control: no-store", "M"),
		twice("200|CDN-Cache-Control: max-age=60|Cache-Control: no-store", "M"),
	})
}

// TestStored_options: the same with options that allow more.
func TestStored_options(t *testing.T) {
	with := func(o httpcache.Options, s scenario) scenario {
		s.opts = &o
		return s
	}
	errorsToo := httpcache.Options{MaxErrorTTL: 5 * time.Second}
	heuristic := httpcache.Options{Heuristic: time.Hour}
	cdn := httpcache.Options{Targets: []string{"CDN-Cache-Control"}}
	dflt := httpcache.Options{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour, MaxErrorTTL: time.Hour}
	const old = "|Last-Modified: Thu, 01 Jan 1998 00:00:00 GMT"
	runScenarios(t, []scenario{
		with(errorsToo, twice("503|Cache-Control: max-age=60", "503")),
		with(errorsToo, scenario{name: "capped", calls: []call{
			{res: "403|Cache-Control: max-age=60", want: "M"}, {after: 4 * time.Second, want: "403"}, {after: 2 * time.Second, want: "M"}}}),
		with(dflt, twice("200", "M")),
		with(dflt, twice("503|Cache-Control: max-age=0", "M")),
		with(heuristic, twice("200"+old, "H")),
		with(heuristic, twice("301"+old, "301")),
		with(heuristic, twice("308"+old, "308")),
		with(heuristic, twice("404"+old, "404")),
		with(heuristic, twice("405"+old, "405")),
		with(heuristic, twice("414"+old, "414")),
		with(heuristic, twice("501"+old, "501")),
		with(heuristic, twice("300"+old, "300")),
		with(heuristic, twice("302"+old, "M")),
		with(heuristic, twice("206"+old, "M")),
		with(heuristic, twice("451"+old, "M")),
		with(heuristic, twice("200", "M")),
		with(heuristic, scenario{name: "query", calls: []call{
			{req: "GET /a?b", res: "200" + old, want: "M"}, {req: "GET /a?b", want: "M"}}}),
		with(cdn, twice("200|CDN-Cache-Control: max-age=60|Cache-Control: no-store", "H")),
		with(cdn, twice("200|CDN-Cache-Control: no-store|Cache-Control: max-age=60", "M")),
		with(cdn, twice("200|CDN-Cache-Control: private|Cache-Control: max-age=60", "M")),
		with(cdn, twice("200|CDN-Cache-Control: |Cache-Control: max-age=60", "H")),
		with(cdn, twice("200|CDN-Cache-Control: max-age=60, &|Cache-Control: no-store", "M")),
		with(cdn, twice(`200|CDN-Cache-Control: max-age="60"|Cache-Control: no-store`, "M")),
		with(cdn, twice("200|CDN-Cache-Control: MAX-AGE=60|Cache-Control: no-store", "M")),
		with(cdn, twice("200|CDN-Cache-Control: max-age=0|Expires: Thu, 01 Jan 2099 00:00:00 GMT", "M")),
		with(cdn, twice("200|CDN-Cache-Control: foo|Expires: Thu, 01 Jan 2099 00:00:00 GMT", "M")),
	})
}
