package redislimit

import (
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// A Failure selects what decides when Redis is unreachable.
type Failure uint8

const (
	// FailLocal lets a limiter of this process decide, with its share of the limits: see
	// Options.Fleet.
	FailLocal Failure = iota

	// FailOpen allows all calls.
	FailOpen

	// FailClosed denies all calls, with an error that wraps store.ErrUnavailable.
	FailClosed
)

// DefaultMaxDenied is the default of Options.MaxDenied.
const DefaultMaxDenied = 1 << 16

const (
	prefixOfKeys   = "strata:limit:"
	defaultTimeout = 100 * time.Millisecond
	defaultPause   = time.Second

	// maxKey is the maximum length of a key in bytes. A longer key is replaced by its
	// SHA-256, so that keys chosen by clients, such as header fields, take no more memory.
	maxKey = 1024
)

// Options configure a [Limiter]. Nil and the zero value select the defaults.
type Options struct {
	// Prefix is the prefix of the keys in Redis. It must not contain braces or "!", which
	// occurs in the keys of tags of caches. Empty: "strata:limit:".
	Prefix string

	// OnFailure selects what decides when Redis is unreachable. Zero: FailLocal.
	OnFailure Failure

	// Fleet is how many processes share the limits. With FailLocal, each process gets that
	// fraction of every Limit and Burst, rounded down, but at least 1. Zero: 1, the whole
	// limits.
	Fleet int

	// Timeout bounds the wait for Redis. A call may take up to an eighth longer. Zero:
	// 100 ms.
	Timeout time.Duration

	// Pause is how long calls skip Redis after it was unreachable. Zero: 1 s.
	// Negative: they never skip it.
	Pause time.Duration

	// MaxDenied is the maximum number of cached denials. Until the time that Redis
	// returned, this process denies the same call on such a key without asking Redis, even
	// if another process has Reset the key. Denials by Concurrency are not cached. Zero:
	// DefaultMaxDenied. Negative: none.
	MaxDenied int

	// Observer is notified of every exchange with Redis. Nil: no observer.
	Observer store.Observer
}

// withDefaults returns a copy with defaults filled in, or an error that joins all mistakes.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.ContainsAny(out.Prefix, "{}") {
		wrong("Prefix %q: must not contain braces", out.Prefix)
	}
	if strings.Contains(out.Prefix, "!") {
		wrong("Prefix %q: must not contain \"!\", which occurs in the keys of tags of caches", out.Prefix)
	}
	if out.OnFailure > FailClosed {
		wrong("OnFailure %d: unknown Failure", out.OnFailure)
	}
	if out.Fleet < 0 {
		wrong("Fleet %d: want 0 or more", out.Fleet)
	}
	if out.Timeout < 0 {
		wrong("Timeout %v: want 0 or more", out.Timeout)
	}
	if out.Prefix == "" {
		out.Prefix = prefixOfKeys
	}
	out.Fleet = max(out.Fleet, 1)
	if out.Timeout == 0 {
		out.Timeout = defaultTimeout
	}
	if out.Pause == 0 {
		out.Pause = defaultPause
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
