package ratelimit

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// HTTP puts a [Limiter] in front of handlers. Limiter and Key must be set: without
// them every request is answered with 503.
type HTTP struct {
	Limiter Limiter

	// Key says who a request is from. If it returns an error the request is
	// answered with 400 and goes no further: that somebody cannot be told from
	// others is no reason to let them all through.
	Key KeyFunc

	// Cost says what a request costs. Nil: 1. One that costs 0 or less is let
	// through uncharged and without fields.
	Cost func(*http.Request) int

	// Legacy adds X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset,
	// the last in seconds from now.
	Legacy bool
}

// Middleware returns what puts l in front of a handler, for each key by itself. It is
// the method of the same name, of an [HTTP] with these.
func Middleware(l Limiter, key KeyFunc) func(http.Handler) http.Handler {
	return (&HTTP{Limiter: l, Key: key}).Middleware
}

// Middleware returns a handler that asks the limiter first. A request that passes goes
// on to next; one that is denied is answered with 429, and one that cannot be decided
// with 503, each with a problem document (RFC 9457) and, where it makes sense to come
// back, Retry-After. Answers of both kinds, and of next, have the fields RateLimit-Policy
// and RateLimit of draft-ietf-httpapi-ratelimit-headers-10.
func (h *HTTP) Middleware(next http.Handler) http.Handler {
	m := *h
	policies := policyField(m.Limiter)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.admit(w, r, policies) {
			next.ServeHTTP(w, r)
		}
	})
}

// admit decides a request, and answers it if it is not to go on.
func (h *HTTP) admit(w http.ResponseWriter, r *http.Request, policies string) bool {
	cost := 1
	if h.Cost != nil {
		if cost = h.Cost(r); cost <= 0 {
			return true
		}
	}
	if h.Limiter == nil || h.Key == nil {
		problem{Type: "about:blank", Title: "The rate limiter is not set up", Status: http.StatusServiceUnavailable}.write(w)
		return false
	}
	key, err := h.Key(r)
	if err != nil {
		problem{Type: "about:blank", Title: "It cannot be told who sent the request", Status: http.StatusBadRequest}.write(w)
		return false
	}
	result, err := h.Limiter.AllowN(r.Context(), key, cost)
	if err != nil {
		setRetryAfter(w.Header(), max(result.RetryAfter, time.Second))
		problem{Type: problems + "temporary-reduced-capacity", Title: "The service has less capacity than usual", Status: http.StatusServiceUnavailable}.write(w)
		return false
	}
	h.setFields(w.Header(), &result, policies)
	if result.Allowed {
		return true
	}
	if result.RetryAfter >= 0 {
		setRetryAfter(w.Header(), result.RetryAfter)
	}
	problem{
		Type: problems + "quota-exceeded", Title: "The request exceeds the quota", Status: http.StatusTooManyRequests,
		Violated: []string{result.Policy},
	}.write(w)
	return false
}

const problems = "https://iana.org/assignments/http-problem-types#"

// A problem is a problem document.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Violated []string `json:"violated-policies,omitempty"`
}

func (p problem) write(w http.ResponseWriter) {
	body, _ := json.Marshal(p) // strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}
