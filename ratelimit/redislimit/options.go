package redislimit

import (
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// A Failure is what decides when Redis cannot be asked.
type Failure uint8

const (
	// FailLocal lets a limiter of this process decide, with the share of the limits
	// that Fleet gives it.
	FailLocal Failure = iota

	// FailOpen allows everything.
	FailOpen

	// FailClosed allows nothing, with an error that is store.ErrUnavailable.
	FailClosed
)

// Defaults of [Options].
const (
	DefaultPrefix    = "strata:limit:"
	DefaultTimeout   = 100 * time.Millisecond
	DefaultPause     = time.Second
	DefaultMaxDenied = 1 << 16

	// MaxKey is the length in bytes up to which keys are used as they are. Of a longer one
	// the SHA-256 is used instead, so that callers who choose their keys, such as the header
	// of a request, take no more memory for them.
	MaxKey = 1024
)

// Options configure a [Limiter]. The zero value, and nil, are the defaults.
type Options struct {
	// Prefix begins the keys in Redis. It must not contain braces, nor "!": the keys of
	// tags of caches in the same Redis contain one. Empty: DefaultPrefix.
	Prefix string

	// OnFailure is what decides when Redis cannot be asked. Zero: FailLocal.
	OnFailure Failure

	// Fleet is how many processes share the limits: with FailLocal, each of them
	// gets that part of every Limit and Burst, rounded down, but at least 1. Zero:
	// 1, that is, all.
	Fleet int

	// Timeout bounds the wait for Redis. A call may end up to an eighth of it
	// later. Zero: DefaultTimeout.
	Timeout time.Duration

	// Pause is how long Redis is left alone after it could not be asked. Zero:
	// DefaultPause. Negative: not at all.
	Pause time.Duration

	// MaxDenied is how many denied keys are remembered. Until the moment that
	// Redis named, the same call on such a key is denied without asking again,
	// also if another process has Reset the key meanwhile. Denials for want of
	// a slot are not remembered. Zero: DefaultMaxDenied. Negative: none.
	MaxDenied int

	// Observer is told of every exchange with Redis. Nil: nobody.
	Observer store.Observer
}

// withDefaults returns a copy with defaults filled in, or all that is wrong.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.ContainsAny(out.Prefix, "{}") {
		wrong("Prefix %q: want one without braces", out.Prefix)
	}
	if strings.Contains(out.Prefix, "!") {
		wrong("Prefix %q: want one without \"!\", which is in the keys of tags of caches", out.Prefix)
	}
	if out.OnFailure > FailClosed {
		wrong("OnFailure %d: there is no such Failure", out.OnFailure)
	}
	if out.Fleet < 0 {
		wrong("Fleet %d: want 0 or more", out.Fleet)
	}
	if out.Timeout < 0 {
		wrong("Timeout %v: want 0 or more", out.Timeout)
	}
	if out.Prefix == "" {
		out.Prefix = DefaultPrefix
	}
	out.Fleet = max(out.Fleet, 1)
	if out.Timeout == 0 {
		out.Timeout = DefaultTimeout
	}
	if out.Pause == 0 {
		out.Pause = DefaultPause
	}
	if out.MaxDenied == 0 {
		out.MaxDenied = DefaultMaxDenied
	}
	return out, oneline.Join(errs...)
}

// share returns the policies of one process of a fleet.
func share(ps []ratelimit.Policy, fleet int) []ratelimit.Policy {
	out := make([]ratelimit.Policy, len(ps))
	for i, p := range ps {
		p.Limit = max(1, p.Limit/fleet)
		if p.Algorithm == ratelimit.GCRA {
			p.Burst = max(1, p.Burst/fleet)
		}
		out[i] = p
	}
	return out
}
