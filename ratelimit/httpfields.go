package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The fields are lists of structured fields (RFC 9651): quoted policy names, which need no
// escapes, with integer parameters.

// policyField returns RateLimit-Policy: all policies of a limiter that has a Policies
// method, with their quota and window. Otherwise it returns an empty string.
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

// setFields sets RateLimit for the policy that decided: the remaining quota, and the time
// until more is available. It sets nothing for a decision made without a limiter.
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

// setRetryAfter sets Retry-After to d, and to one second at least.
func setRetryAfter(header http.Header, d time.Duration) {
	header.Set("Retry-After", seconds(max(d, time.Second)))
}

// seconds returns a duration in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
