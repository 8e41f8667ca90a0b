package ratelimit

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// HTTP applies a [Limiter] to HTTP handlers. Limiter and Key must be set; otherwise every
// request is answered with 503.
type HTTP struct {
	// Limiter decides. It must be set.
	Limiter Limiter

	// Key returns the key of the client. If it returns an error, the request is answered
	// with 400 and not passed on, so that unidentified clients cannot bypass the limit.
	Key KeyFunc

	// Cost returns the cost of a request. A request with a cost of 0 or less is passed on
	// without a charge and without header fields. Nil: 1.
	Cost func(*http.Request) int

	// Legacy adds the fields X-RateLimit-Limit, X-RateLimit-Remaining and
	// X-RateLimit-Reset. The last one is in seconds from now.
	Legacy bool
}

// Middleware returns a middleware that applies l to each key. It is [HTTP.Middleware] of an
// [HTTP] with l and key.
func Middleware(l Limiter, key KeyFunc) func(http.Handler) http.Handler {
	return (&HTTP{Limiter: l, Key: key}).Middleware
}

// Middleware returns a handler that applies the limiter before next. A denied request is
// answered with 429, and a request that cannot be decided with 503. Both have a problem
// document (RFC 9457), and Retry-After if a retry may succeed. All responses have the
// fields RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10.
func (h *HTTP) Middleware(next http.Handler) http.Handler {
	m := *h
	policies := policyField(m.Limiter)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.admit(w, r, policies) {
			next.ServeHTTP(w, r)
		}
	})
}

// admit reports whether a request may pass, and answers it otherwise.
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
		problem{Type: "about:blank", Title: "The request does not identify a client", Status: http.StatusBadRequest}.write(w)
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
	body, _ := json.Marshal(p) // cannot fail: strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}
