package httpcache_test

import (
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lokroom/strata/httpcache"
)

// TestCompress: a stored body of text is in gzip for clients that accept it, and the handler's for
// others. Its strong ETag belongs to the latter alone.
func TestCompress(t *testing.T) {
	text := strings.Repeat("some text ", 300)
	const html = fresh60 + `|Content-Type: text/html|Etag: "v1"`
	const gz = "GET /a|Accept-Encoding: gzip, br"
	for _, c := range []struct {
		name, res, body, req string
		gzipped              bool
		status, etag, vary   string
	}{
		{"gzip", html, text, gz, true, "H", `W/"v1"`, "Accept-Encoding"},
		{"wildcard", html, text, "GET /a|Accept-Encoding: *", true, "H", `W/"v1"`, "Accept-Encoding"},
		{"identity", html, text, "GET /a", false, "H", `"v1"`, "Accept-Encoding"},
		{"refused", html, text, "GET /a|Accept-Encoding: *, gzip;q=0", false, "H", `"v1"`, "Accept-Encoding"},
		{"other coding", html, text, "GET /a|Accept-Encoding: br", false, "H", `"v1"`, "Accept-Encoding"},
		{"not modified", html, text, gz + `|If-None-Match: "v1"`, false, "304", `W/"v1"`, "Accept-Encoding"},
		{"weak", html, text, gz + `|If-None-Match: W/"v1"`, false, "304", `W/"v1"`, "Accept-Encoding"},
		{"revalidated", html, text, gz + `|Cache-Control: no-cache`, true, "R", `W/"v1"`, "Accept-Encoding"},
		{"with Vary", html + "|Vary: X-B", text, gz, true, "H", `W/"v1"`, "X-B // Accept-Encoding"},
		{"small", html, "short", gz, false, "H", `"v1"`, ""},
		{"image", fresh60 + `|Content-Type: image/png|Etag: "v1"`, text, gz, false, "H", `"v1"`, ""},
		{"no-transform", `200|Cache-Control: max-age=60, no-transform|Content-Type: text/html|Etag: "v1"`, text, gz, false, "H", `"v1"`, ""},
		{"coded", html + "|Content-Encoding: br", text, gz, false, "H", `"v1"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, &httpcache.Options{Compress: true}, httpcache.Route{})
				l.run(1, call{req: "GET /a", res: c.res, body: c.body, want: "M", is: c.body, has: `Etag: "v1"`})
				l.run(2, call{req: c.req, body: c.body, want: c.status, has: "Etag: " + c.etag + "|Vary: " + c.vary})
				res, body := l.do(request(c.req))
				if got := res.Header.Get("Content-Encoding") == "gzip"; got != c.gzipped {
					t.Errorf("gzip: %v; %v", got, res.Header)
				}
				if c.gzipped {
					if len(body) > len(c.body)/2 {
						t.Errorf("%d bytes of %d", len(body), len(c.body))
					}
					r, err := gzip.NewReader(strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(r)
					body = string(b)
				}
				if res.StatusCode == 200 && body != c.body {
					t.Errorf("body %.20q, want %.20q", body, c.body)
				}
			})
		})
	}
}

// Ranges are of the identity body, as their ETag says; HEAD has the length of what GET would get.
func TestCompress_parts(t *testing.T) {
	text := strings.Repeat("0123456789", 300)
	const html = fresh60 + `|Content-Type: text/html|Etag: "v1"`
	runScenarios(t, []scenario{{name: "parts", opts: &httpcache.Options{Compress: true}, calls: []call{
		{res: html, body: text, want: "M", has: "Vary: Accept-Encoding"},
		{req: "GET /a|Accept-Encoding: gzip|Range: bytes=5-7", want: "206", is: "567", has: `Etag: "v1"`, lacks: "Content-Encoding"},
		{req: `GET /a|Accept-Encoding: gzip|Range: bytes=5-7|If-Range: "v1"`, want: "206", is: "567"},
		{req: "HEAD /a", want: "H", has: "Content-Length: 3000", is: "-"},
		{req: "HEAD /a|Accept-Encoding: gzip", want: "H", has: "Content-Encoding: gzip", is: "-"},
		{req: "HEAD /a|Cache-Control: no-cache", want: "M"}, {want: "H"},
	}}})
}
