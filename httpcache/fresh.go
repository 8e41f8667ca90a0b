package httpcache

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// responseControl returns the directives that apply to this cache, and whether they come from
// a targeted field, which replaces Expires, too (RFC 9213 section 2.2).
func (c *Cache) responseControl(h http.Header) (cc control, targeted bool) {
	for _, name := range c.opts.Targets {
		if cc, ok := parseTargeted(h[http.CanonicalHeaderKey(name)]); ok {
			return cc, true
		}
	}
	return parseControl(h["Cache-Control"]), false
}

// lifetime returns the freshness lifetime that a response gives itself (RFC 9111 section
// 4.2.1), and whether it is explicit. date is that of the response.
func lifetime(h http.Header, cc *control, targeted bool, date time.Time) (d time.Duration, explicit bool) {
	switch expires := h["Expires"]; {
	case cc.sMaxAge.set:
		return cc.sMaxAge.duration(), true
	case cc.maxAge.set:
		return cc.maxAge.duration(), true
	case targeted || len(expires) == 0:
		return 0, false
	default:
		at, err := http.ParseTime(expires[0])
		if err != nil || slices.ContainsFunc(expires, func(e string) bool { return e != expires[0] }) {
			return 0, true // an invalid date is in the past (RFC 9111 section 5.3)
		}
		return max(at.Sub(date), 0), true
	}
}

// heuristicStatuses may be stored without an explicit lifetime (RFC 9110 section 15.1), but
// for 206, which is not stored at all.
var heuristicStatuses = []int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}

// heuristic returns the lifetime of a response that has no explicit one.
func (c *Cache) heuristic(r *http.Request, status int, h http.Header, cc *control, date time.Time) time.Duration {
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if c.opts.Heuristic == 0 || r.Method == methodQuery || err != nil || r.URL.RawQuery != "" || !slices.Contains(heuristicStatuses, status) && !cc.public {
		return 0
	}
	return min(max(date.Sub(modified)/10, 0), c.opts.Heuristic)
}

// dateOf returns the Date of a response, or else the time of its receipt.
func dateOf(h http.Header, received time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return received
}

// initialAge is corrected_initial_age of RFC 9111 section 4.2.3, of a response that was
// requested and received at these times.
func initialAge(h http.Header, requested, received time.Time) time.Duration {
	apparent := received.Sub(dateOf(h, received))
	age, _ := ageOf(h)
	return max(apparent, age+received.Sub(requested), 0)
}

// ageOf returns the Age of a response. ok is false if it is invalid, or there are several: the
// response then counts as stale.
func ageOf(h http.Header) (age time.Duration, ok bool) {
	lines := h["Age"]
	if len(lines) == 0 {
		return 0, true
	}
	seconds, ok := parseDelta(strings.Trim(lines[0], " \t"))
	return time.Duration(seconds) * time.Second, ok && len(lines) == 1
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
