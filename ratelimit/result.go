package ratelimit

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/meter"
)

// A Result is what a [Limiter] decided. Where there are several policies it speaks of
// the one that decided: of those that deny, the one that does so for longest; if none
// does, the one that leaves least.
type Result struct {
	// Allowed says that the call may go on. Of Peek, that one more would.
	Allowed bool

	// Policy is the name of the policy that decided.
	Policy string

	// Limit is how much of it can pass at once: its Burst if it is a GCRA, else
	// its Limit.
	Limit int

	// Remaining is how much of it may pass at this moment.
	Remaining int

	// RetryAfter is how long until the same call passes, if nothing else does in
	// the meantime. 0 if it was allowed; below zero if it never will.
	RetryAfter time.Duration

	// ResetAfter is how long until all of Limit is there again.
	ResetAfter time.Duration

	// NextAfter is how long until more than Remaining is there. 0 if Remaining
	// is Limit.
	NextAfter time.Duration

	// Source is who decided.
	Source Source
}

// Never is the RetryAfter of a call that costs more than ever passes at once.
const Never time.Duration = -1

// A Source is who decided.
type Source uint8

const (
	SourceLocal     Source = iota // a limiter of this process, as it was asked to
	SourceRedis                   // Redis, for all processes
	SourceDenyCache               // this process, which remembers that Redis denied
	SourceFallback                // a limiter of this process, because Redis could not be asked
	SourceOpen                    // nobody: Redis could not be asked, and everything is allowed then
	SourceClosed                  // nobody: Redis could not be asked, and nothing is allowed then
)

var sources = [...]string{"local", "redis", "deny_cache", "fallback", "open", "closed"}

// String returns "local", "redis", "deny_cache", "fallback", "open" or "closed".
func (s Source) String() string {
	if int(s) < len(sources) {
		return sources[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// result says a decision in the words of the policies.
func result(ps []Policy, d *meter.Decision, capacity int64) Result {
	return Result{
		Allowed: d.Allowed, Policy: ps[d.Rule].Name, Limit: int(capacity), Remaining: int(d.Left),
		RetryAfter: span(d.Wait), ResetAfter: span(d.Reset), NextAfter: span(d.Next),
	}
}

// span returns so many microseconds.
func span(us int64) time.Duration {
	if us < 0 {
		return Never
	}
	return time.Duration(us) * time.Microsecond
}
