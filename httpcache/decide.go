package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// A decision says whether a response is stored, and for how long it is used.
type decision struct {
	refused  string // why it is not stored; "": it is
	lifetime time.Duration
	swr, sie time.Duration // after the lifetime
	flags    flags
}

// maxHead bounds the header of a stored response, in bytes.
const maxHead = 64 << 10

// decide says what becomes of a complete response to r, a GET. set are the wishes of the
// handler.
func (c *Cache) decide(r *http.Request, rt *Route, set *wishes, status int, h http.Header, received time.Time) (d decision) {
	cc, targeted := c.responseControl(h)
	if d.refused = c.refuses(r, rt, set, status, h, &cc); d.refused != "" {
		return d
	}
	date := dateOf(h, received)
	life, explicit := lifetime(h, &cc, targeted, date)
	assigned := false
	switch {
	case set.ttl > 0:
		life, explicit, assigned = set.ttl, true, true
	case explicit || cc.noCache:
	case rt.TTL > 0 && slices.Contains(heuristicStatuses, status):
		life, explicit, assigned = rt.TTL, true, true
	default:
		life = c.heuristic(r, status, h, &cc, date)
	}
	if assigned && !rt.Public && !sharedByRule(&cc) && hasCredentials(r) {
		d.refused = "credentials"
		return d
	}
	if _, ok := ageOf(h); !ok {
		life = 0
	}
	life = min(life, c.opts.MaxTTL)
	if status >= 400 && !slices.Contains(heuristicStatuses, status) {
		life = min(life, c.opts.MaxErrorTTL)
		if c.opts.MaxErrorTTL == 0 {
			d.refused = "status"
			return d
		}
	}
	d.lifetime = life
	c.stale(&d, rt, set, status, &cc)
	validates := h.Get("Etag") != "" || h.Get("Last-Modified") != ""
	if life == 0 && !((validates || d.sie > 0 || d.swr > 0) && (cc.present || explicit)) {
		d.refused = "no-freshness"
	}
	d.flags |= flag(cc.noCache, noCache) | flag(cc.noStale(), noStale) | flag(sharedByRule(&cc) || rt.Public, shareable) | flag(assigned && !rt.Public, assignedTTL)
	return d
}

// stale sets for how long the response may be used stale.
func (c *Cache) stale(d *decision, rt *Route, set *wishes, status int, cc *control) {
	d.swr, d.sie = c.opts.StaleWhileRevalidate, c.opts.StaleIfError
	if rt.StaleWhileRevalidate > 0 {
		d.swr = rt.StaleWhileRevalidate
	}
	if rt.StaleIfError > 0 {
		d.sie = rt.StaleIfError
	}
	if cc.staleWhileRevalidate.set {
		d.swr = cc.staleWhileRevalidate.duration()
	}
	if cc.staleIfError.set {
		d.sie = cc.staleIfError.duration()
	}
	if set.ttl > 0 {
		d.swr, d.sie = set.swr, set.sie
	}
	if cc.noStale() || status >= 500 {
		d.swr, d.sie = 0, 0
	}
	d.swr, d.sie = min(d.swr, c.opts.KeepStale), min(d.sie, c.opts.KeepStale)
}

// sharedByRule reports whether a response may be stored although its request had an
// Authorization (RFC 9111 section 3.5).
func sharedByRule(cc *control) bool {
	return cc.public || cc.mustRevalidate || cc.sMaxAge.valid
}

func hasCredentials(r *http.Request) bool {
	return len(r.Header["Authorization"]) > 0 || len(r.Header["Cookie"]) > 0
}

// refuses returns why a response must not be stored, whatever its lifetime, or "".
func (c *Cache) refuses(r *http.Request, rt *Route, set *wishes, status int, h http.Header, cc *control) string {
	request := parseControl(r.Header["Cache-Control"])
	noStore := cc.noStore && !(cc.mustUnderstand && http.StatusText(status) != "")
	switch {
	case set.noStore || rt.NoStore:
		return "route"
	case status < 200 || status == http.StatusPartialContent || status == http.StatusNotModified:
		return "status"
	case cc.mustUnderstand && http.StatusText(status) == "":
		return "status"
	case noStore:
		return "no-store"
	case cc.private:
		return "private"
	case request.noStore:
		return "request-no-store"
	case len(h["Set-Cookie"]) > 0:
		return "set-cookie"
	case len(r.Header["Authorization"]) > 0 && !sharedByRule(cc) && !rt.Public:
		return "authorization"
	case varies(h["Vary"]):
		return "vary"
	case len(h["Trailer"]) > 0 || streams(h):
		return "stream"
	case headSize(h) > maxHead:
		return "header-size"
	}
	return ""
}

// varies reports whether Vary has a member "*", so that the response matches no other request.
func varies(lines []string) bool {
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(member) == "*" {
				return true
			}
		}
	}
	return false
}

// streams reports whether the body should reach the client as it is written.
func streams(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") || h.Get("Incremental") == "?1"
}

func headSize(h http.Header) (n int) {
	for name, lines := range h {
		for _, line := range lines {
			n += len(name) + len(line)
		}
	}
	return n
}
