package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The fields are lists of structured fields (RFC 9651): names of policies in quotes,
// which nothing in a name needs to be escaped for, with whole numbers as parameters.

// policyField returns RateLimit-Policy: all policies of a limiter that tells them, with
// their quota and window. Empty if it does not.
func policyField(l Limiter) string {
	teller, ok := l.(interface{ Policies() []Policy })
	if !ok {
		return ""
	}
	var items []string
	for _, p := range teller.Policies() {
		item := `"` + p.Name + `";q=` + strconv.Itoa(p.Limit)
		if p.Algorithm == Concurrency {
			item += `;qu="concurrent-requests"`
		} else {
			item += ";w=" + seconds(p.Window)
		}
		items = append(items, item)
	}
	return strings.Join(items, ", ")
}

// setFields says what the limiter decided: of the policy that did, how much of it is
// left and when more will be. A decision that nobody made says nothing.
func (h *HTTP) setFields(header http.Header, r *Result, policies string) {
	if r.Source == SourceOpen {
		return
	}
	if policies != "" {
		header.Set("RateLimit-Policy", policies)
	}
	field := `"` + r.Policy + `";r=` + strconv.Itoa(r.Remaining)
	if r.NextAfter > 0 {
		field += ";t=" + seconds(r.NextAfter)
	}
	header.Set("RateLimit", field)
	if h.Legacy {
		header.Set("X-RateLimit-Limit", strconv.Itoa(r.Limit))
		header.Set("X-RateLimit-Remaining", strconv.Itoa(r.Remaining))
		header.Set("X-RateLimit-Reset", seconds(r.ResetAfter))
	}
}

// setRetryAfter asks to come back no earlier than after d, and not at once.
func setRetryAfter(header http.Header, d time.Duration) {
	header.Set("Retry-After", seconds(max(d, time.Second)))
}

// seconds returns a duration in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
