package httpcache_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lokroom/strata/httpcache"
)

// TestLanguages: RFC 9110 section 12.5.4, RFC 4647. "-": the handler gets no Accept-Language.
func TestLanguages(t *testing.T) {
	for _, c := range []struct{ accept, want string }{
		{"de, en", "en"}, {"en, de", "en"}, // the same weight: that of the site
		{"en;q=0.5, de", "de"}, {"fr;q=0.5, de;q=1.0", "de"}, {"fr, de;q=0.1", "de"},
		{"EN", "en"}, {" en ,   de;q=0.9", "en"}, {"de|en;q=0.2", "de"},
		{"de-CH", "de"}, {"de-CH, en;q=0.9", "de"}, {"pt", "pt-BR"}, {"pt-br", "pt-BR"}, {"pt-PT", "-"},
		{"dex", "-"}, {"d", "-"}, {"fr", "-"}, {"", "-"}, {",", "-"},
		{"*", "en"}, {"*, en;q=0", "de"}, {"en;q=0", "-"}, {"*;q=0.1, de;q=0.2", "de"},
		{"de;q=x, en;q=0.1", "en"}, {"de;q=2, en;q=0.1", "en"}, {"de;level=1, en;q=0.1", "en"}, {"de;q=.", "-"},
		{"none", "-"},
	} {
		var got []string
		h := httpcache.Languages("en", "de", "pt-BR")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = r.Header["Accept-Language"]
		}))
		r := httptest.NewRequest("GET", "/a", nil)
		if c.accept != "none" {
			r.Header["Accept-Language"] = strings.Split(c.accept, "|")
		}
		sent := r.Header.Get("Accept-Language")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if is := strings.Join(got, "|"); is != strings.TrimPrefix(c.want, "-") || (c.want == "-") != (got == nil) {
			t.Errorf("%q: the handler gets %q, want %s", c.accept, got, c.want)
		}
		if r.Header.Get("Accept-Language") != sent {
			t.Errorf("%q: the request of the caller has changed", c.accept)
		}
	}
}

// Clients with one preferred language share a response, and only they (RFC 9111 section 4.1).
func TestLanguages_shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil, httpcache.Route{})
		l.h = httpcache.Languages("en", "de")(l.h)
		for i, c := range []call{
			{req: "GET /a|Accept-Language: en, de", res: "200|Cache-Control: max-age=60|Vary: Accept-Language", want: "M", is: "body 1", body: "body 1"},
			{req: "GET /a|Accept-Language: de, en", want: "H", is: "body 1"},
			{req: "GET /a|Accept-Language: en-GB, fr;q=0.1", want: "H"},
			{req: "GET /a|Accept-Language: de, en;q=0.9", want: "M", body: "body 2"},
			{req: "GET /a|Accept-Language: fr;q=0.5, de;q=1.0", want: "H", is: "body 2"},
			{req: "GET /a|Accept-Language: fr", want: "M"},
			{want: "H"},
		} {
			l.run(i, c)
		}
	})
}
