package httpcache

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Options configure a [Cache]. Nil and the zero value select the defaults.
type Options struct {
	// MaxBody is the largest body that is stored, in bytes. A larger one is streamed to its
	// client and not stored. 0: 1 MiB.
	MaxBody int64

	// MaxTTL caps the freshness lifetime of every response. 0: one year.
	MaxTTL time.Duration

	// KeepStale is how long a response is kept after its freshness lifetime: to be
	// revalidated by its ETag or Last-Modified, and to be served by stale-while-revalidate
	// and stale-if-error, which KeepStale bounds. 0: one hour.
	KeepStale time.Duration

	// StaleWhileRevalidate applies to responses without that directive: for how long after
	// its lifetime a response is served at once, while it is refreshed in the background.
	// must-revalidate, proxy-revalidate, s-maxage and no-cache forbid it. 0: not at all.
	StaleWhileRevalidate time.Duration

	// StaleIfError applies to responses without that directive: for how long after its
	// lifetime a response is served if the handler fails with 500, 502, 503, 504 or a panic.
	// The directives that forbid StaleWhileRevalidate forbid it, too. 0: not at all.
	StaleIfError time.Duration

	// MaxErrorTTL caps the lifetime of responses with a status from 400 on, other than 404,
	// 405, 410, 414 and 501. They need an explicit lifetime. 0: they are not stored.
	MaxErrorTTL time.Duration

	// Heuristic gives a response without an explicit lifetime a tenth of the time since its
	// Last-Modified, at most Heuristic, if its status allows that (RFC 9110 section 15.1) and
	// its URL has no query. 0: such a response is not fresh.
	Heuristic time.Duration

	// MaxWait is how long a request waits for the response to another request before it
	// calls the handler itself. 0: 10 seconds.
	MaxWait time.Duration

	// PassFor is how long requests for a URL do not wait for each other, after a response
	// that could not be stored. 0: 10 seconds. Negative: they always wait.
	PassFor time.Duration

	// IgnoreClientDirectives ignores Cache-Control in requests, except no-store: clients
	// cannot make the cache revalidate. False: RFC 9111 section 5.2.1 applies.
	IgnoreClientDirectives bool

	// Targets are the targeted fields of RFC 9213 that this cache obeys, in order, such as
	// "CDN-Cache-Control". The first valid one replaces Cache-Control and Expires. They are
	// passed on to clients. nil: none.
	Targets []string

	// MaxQuery is the largest content of a QUERY whose response is stored (RFC 10008), in
	// bytes. The content, and the fields about it, are part of the key. 0: responses to QUERY
	// are not stored.
	MaxQuery int64

	// NoVarySearch obeys No-Vary-Search in responses: requests share a response if their
	// queries differ only in what it names. Purging a URL then purges all such responses of
	// its path. False: the whole query counts.
	NoVarySearch bool

	// Compress stores bodies of text from 1 KiB on in gzip, unless Cache-Control has
	// no-transform. Requests that accept gzip get them so, with Vary and a weak ETag; for
	// others they are decompressed. False: bodies are stored as the handler writes them.
	Compress bool

	// FillRanges fetches the whole body in the background after a request for ranges of a URL
	// that is not stored, if it has at most MaxBody bytes: one more call of the handler, and
	// later ranges are served from memory. False: only requests without Range store a response.
	FillRanges bool

	// AllowedHosts are the hosts whose responses are stored, as in Host, without a default
	// port. Requests for other hosts bypass the cache. nil: every host.
	AllowedHosts []string

	// Bypass reports whether a request must neither be answered from the cache nor stored.
	// It must be safe for concurrent use. nil: no request bypasses the cache.
	Bypass func(*http.Request) bool
}

const (
	defaultMaxBody   = 1 << 20
	defaultMaxTTL    = 365 * 24 * time.Hour
	defaultKeepStale = time.Hour
	defaultMaxWait   = 10 * time.Second
	defaultPassFor   = 10 * time.Second
)

// withDefaults returns a copy of o with the defaults, or what is wrong with o.
func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	for name, v := range map[string]time.Duration{
		"MaxTTL": d.MaxTTL, "KeepStale": d.KeepStale, "StaleWhileRevalidate": d.StaleWhileRevalidate,
		"StaleIfError": d.StaleIfError, "MaxErrorTTL": d.MaxErrorTTL, "Heuristic": d.Heuristic, "MaxWait": d.MaxWait,
	} {
		if v < 0 {
			return d, fmt.Errorf("%s is negative (%v)", name, v)
		}
	}
	if d.MaxBody < 0 || d.MaxQuery < 0 {
		return d, errors.New("MaxBody or MaxQuery is negative")
	}
	set(&d.MaxBody, defaultMaxBody)
	set(&d.MaxTTL, defaultMaxTTL)
	set(&d.KeepStale, defaultKeepStale)
	set(&d.MaxWait, defaultMaxWait)
	set(&d.PassFor, defaultPassFor)
	hosts := make([]string, len(d.AllowedHosts))
	for i, h := range d.AllowedHosts {
		hosts[i] = normalHost(strings.ToLower(h), "")
	}
	d.AllowedHosts = hosts
	return d, nil
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
