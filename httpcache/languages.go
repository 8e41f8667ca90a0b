package httpcache

import (
	"net/http"
	"strconv"
	"strings"
)

// Languages returns a middleware for a site in a few languages, best first. In Accept-Language of
// each request it leaves the one that the client prefers, or nothing if it accepts none. Then
// responses with Vary: Accept-Language have one variant a language instead of one a browser, and
// cannot depend on more. It must be outside of the cache:
//
//	http.ListenAndServe(":8080", httpcache.Languages("en", "de")(pages.Middleware(mux)))
//
// A client that accepts "en" gets "en-GB", and one that accepts "en-GB" gets "en" (RFC 4647
// sections 3.3.1 and 3.4). Of languages with the same weight it gets the first of languages: the
// order in Accept-Language does not count (RFC 9110 section 12.5.4).
func Languages(languages ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			lines, ok := r.Header["Accept-Language"]
			if !ok {
				next.ServeHTTP(w, r)
				return
			}
			r = r.WithContext(r.Context())
			r.Header = r.Header.Clone()
			r.Header.Del("Accept-Language")
			if best := bestLanguage(languages, lines); best != "" {
				r.Header["Accept-Language"] = []string{best}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// bestLanguage returns the one of languages that Accept-Language gives the largest weight, or "".
func bestLanguage(languages, lines []string) (best string) {
	all := strings.Join(lines, ",")
	most := 0.0
	for _, language := range languages {
		if q := languageWeight(language, all); q > most {
			best, most = language, q
		}
	}
	return best
}

// languageWeight returns the weight of a language: that of the longest range that matches it.
func languageWeight(language, accept string) (weight float64) {
	longest := -1
	for member := range strings.SplitSeq(accept, ",") {
		text, params, _ := strings.Cut(member, ";")
		text = strings.TrimSpace(text)
		n := len(text)
		if text == "*" {
			n = 0
		} else if text == "" || !isPrefix(text, language) && !isPrefix(language, text) {
			continue
		}
		if q, ok := weightOf(params); ok && n > longest {
			longest, weight = n, q
		}
	}
	return weight
}

// isPrefix reports whether the subtags of prefix are the first ones of tag. They have no case.
func isPrefix(prefix, tag string) bool {
	return len(tag) >= len(prefix) && strings.EqualFold(tag[:len(prefix)], prefix) && (len(tag) == len(prefix) || tag[len(prefix)] == '-')
}

// weightOf parses a weight (RFC 9110 section 12.4.2). Nothing is 1.
func weightOf(params string) (q float64, ok bool) {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1, true
	}
	if len(params) < 3 || !strings.EqualFold(params[:2], "q=") || strings.Trim(params[2:], "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(params[2:], 64)
	return q, err == nil && q <= 1
}
