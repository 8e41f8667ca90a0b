package httpcache

import (
	"net/http"
	"time"
)

// A Route is how responses of a handler are stored. The zero Route leaves everything to the
// response.
type Route struct {
	// TTL is the lifetime of responses that have no explicit one, if their status allows
	// that (RFC 9110 section 15.1). Unless Public is set, such a response is neither stored
	// for a request with Authorization or Cookie, nor served to one. 0: none.
	TTL time.Duration

	// StaleWhileRevalidate and StaleIfError replace those of [Options]. 0: they do not.
	StaleWhileRevalidate, StaleIfError time.Duration

	// Public says that the responses do not depend on credentials: Authorization and
	// Cookie of requests are ignored, as with Cache-Control: public. private, no-store and
	// Set-Cookie in a response still apply.
	Public bool

	// NoStore stores nothing, and answers nothing from the cache.
	NoStore bool

	// MaxBody replaces [Options].MaxBody. 0: it does not.
	MaxBody int64

	// Tags returns invalidation tags for the response to a request: see [Cache.PurgeTags].
	// It must be safe for concurrent use. nil: only [SetTags] sets tags.
	Tags func(*http.Request) []string

	// Key returns a text that replaces path and query in the key of a request, for a handler
	// that depends on parts of the URL only. Requests with one text get one response, so the
	// text must have all that the handler depends on. It must be safe for concurrent use.
	// nil: path and query as they were sent.
	Key func(*http.Request) string
}

// Route returns a middleware that answers requests from the cache as rt says.
func (c *Cache) Route(rt Route) func(http.Handler) http.Handler {
	if rt.MaxBody == 0 {
		rt.MaxBody = c.opts.MaxBody
	}
	return func(next http.Handler) http.Handler {
		return &handler{c: c, rt: &rt, next: next}
	}
}

// wishes are what a handler has said about its response.
type wishes struct {
	tags          []string
	ttl, swr, sie time.Duration
	noStore       bool
}

// SetTags adds invalidation tags to the response that w writes: see [Cache.PurgeTags]. Like
// SetTTL and NoStore, it must be called before the header is written, and does nothing if
// the response is not to be stored. w may be wrapped by types with an Unwrap method, as for
// [http.ResponseController].
func SetTags(w http.ResponseWriter, tags ...string) {
	if rec := recorderOf(w); rec != nil {
		rec.set.tags = append(rec.set.tags, tags...)
	}
}

// SetTTL sets for how long the response is fresh, and for how long after that it may be
// used while it is refreshed (swr) and while the handler fails (sie). It precedes
// Cache-Control, except for no-store, private and the directives that forbid stale
// responses. The fields of the response are not changed. See [Route].TTL for requests with
// credentials.
func SetTTL(w http.ResponseWriter, ttl, swr, sie time.Duration) {
	if rec := recorderOf(w); rec != nil {
		rec.set.ttl, rec.set.swr, rec.set.sie = ttl, swr, sie
	}
}

// NoStore keeps the response from being stored.
func NoStore(w http.ResponseWriter) {
	if rec := recorderOf(w); rec != nil {
		rec.set.noStore = true
	}
}

func recorderOf(w http.ResponseWriter) *recorder {
	for {
		if rec, ok := w.(*recorder); ok {
			return rec
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}
