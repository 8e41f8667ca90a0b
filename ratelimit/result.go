package ratelimit

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/meter"
)

// A Result is the decision of a [Limiter]. With several policies it describes the one that
// decided. If the call is denied, that is the one that denies for the longest time,
// otherwise the one with least remaining.
type Result struct {
	// Allowed reports whether the call may proceed; for Peek, whether a call of Allow
	// would.
	Allowed bool

	// Policy is the name of the policy that decided.
	Policy string

	// Limit is how much of the policy can pass at once: Burst for GCRA, otherwise its
	// Limit.
	Limit int

	// Remaining is how much may pass now.
	Remaining int

	// RetryAfter is the time until the same call passes if no other call is admitted in the
	// meantime. It is 0 if the call was allowed, and negative if it can never pass.
	RetryAfter time.Duration

	// ResetAfter is the time until Remaining equals Limit.
	ResetAfter time.Duration

	// NextAfter is the time until Remaining grows. It is 0 if Remaining equals Limit.
	NextAfter time.Duration

	// Source is what decided.
	Source Source
}

// Never is the RetryAfter of a call that costs more than can ever pass at once.
const Never time.Duration = -1

// A Source identifies what made a decision.
type Source uint8

const (
	SourceLocal     Source = iota // a limiter of this process, by configuration
	SourceRedis                   // Redis, for all processes
	SourceDenyCache               // this process, from a cached denial of Redis
	SourceFallback                // a limiter of this process, because Redis was unreachable
	SourceOpen                    // no limiter: Redis was unreachable, and everything is allowed then
	SourceClosed                  // no limiter: Redis was unreachable, and nothing is allowed then
)

var sources = [...]string{"local", "redis", "deny_cache", "fallback", "open", "closed"}

// String returns "local", "redis", "deny_cache", "fallback", "open" or "closed".
func (s Source) String() string {
	if int(s) < len(sources) {
		return sources[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// result converts a decision to a Result.
func result(ps []Policy, d *meter.Decision, capacity int64) Result {
	return Result{
		Allowed: d.Allowed, Policy: ps[d.Rule].Name, Limit: int(capacity), Remaining: int(d.Left),
		RetryAfter: span(d.Wait), ResetAfter: span(d.Reset), NextAfter: span(d.Next),
	}
}

// span converts microseconds to a duration.
func span(us int64) time.Duration {
	if us < 0 {
		return Never
	}
	return time.Duration(us) * time.Microsecond
}
