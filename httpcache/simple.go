package httpcache

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Simple are the options of [Cache.Simple].
type Simple struct {
	// Prefix begins the keys: see [GenerateKey].
	Prefix string

	// TTL is how long a response is served. It must be positive.
	TTL time.Duration

	// Tags returns invalidation tags: see [Route].
	Tags func(*http.Request) []string

	// User returns the id of the user of a request: responses to different users are kept apart. It
	// must verify the session. "": the request is anonymous, and bypasses the cache if it
	// has Authorization or Cookie. nil: all requests are anonymous.
	User func(*http.Request) string
}

// Simple returns a middleware for handlers that do not set Cache-Control: every successful
// answer to a GET is kept for s.TTL, under the key of [GenerateKey]. It sets X-Cache to HIT or
// MISS, and Cache-Control for browsers and CDNs: "public, max-age" with the TTL, or "private,
// no-cache" if there is a user. Both are left alone if the handler has set them.
func (c *Cache) Simple(s Simple) func(http.Handler) http.Handler {
	user := func(r *http.Request) string {
		if s.User == nil {
			return ""
		}
		return s.User(r)
	}
	route := c.Route(Route{TTL: s.TTL, Public: true, Tags: s.Tags, Key: func(r *http.Request) string {
		key := GenerateKey(r, s.Prefix)
		if id := user(r); id != "" {
			key += " " + url.QueryEscape(id) // a path has no space
		}
		return key
	}})
	return func(next http.Handler) http.Handler {
		cached := route(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := user(r)
			if r.Method != http.MethodGet || id == "" && hasCredentials(r) {
				next.ServeHTTP(w, r)
				return
			}
			control := "public, max-age=" + seconds(s.TTL)
			if id != "" {
				control = "private, no-cache"
			}
			out := &spy{ResponseWriter: w}
			out.header = func(status int) { label(w.Header(), status, control) }
			cached.ServeHTTP(out, r)
		})
	}
}

// label sets X-Cache and Cache-Control in a response.
func label(h http.Header, status int, control string) {
	x := "MISS"
	if lines := h["Cache-Status"]; len(lines) > 0 && strings.Contains(lines[len(lines)-1], "; hit") {
		x = "HIT"
	}
	for name, value := range map[string]string{"X-Cache": x, "Cache-Control": control} {
		if ok := name == "X-Cache" || status == http.StatusOK; ok && len(h[name]) == 0 {
			h[name] = []string{value}
		}
	}
}

// GenerateKey returns prefix, the path, and the query sorted by names: requests that differ
// in the order of their parameters have one key. The order of the values of one name is
// kept, because handlers may depend on it.
func GenerateKey(r *http.Request, prefix string) string {
	key := prefix + r.URL.EscapedPath()
	if r.URL.RawQuery == "" {
		return key
	}
	pairs := strings.Split(r.URL.RawQuery, "&")
	slices.SortStableFunc(pairs, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return key + "?" + strings.Join(pairs, "&")
}
