package ratelimit

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/oneline"
)

// An Algorithm selects how a [Policy] counts.
type Algorithm uint8

const (
	// GCRA is a bucket of Burst tokens that is refilled evenly with Limit tokens per
	// Window. It admits at most Burst + Limit in a Window, and Limit in the long run. It is
	// the cheapest algorithm, and the one that smooths.
	GCRA Algorithm = iota

	// FixedWindow counts in windows that start at multiples of Window since 1970: a Window
	// of 24 hours begins at midnight UTC. It admits at most Limit in each of them, but up
	// to twice that around a boundary.
	FixedWindow

	// SlidingCounter adds to the count of the current fixed window a share of the previous
	// count. The share is the part of the previous window that is less than a Window ago,
	// as if its calls had been evenly spread. If they were not, it admits up to almost
	// twice Limit.
	SlidingCounter

	// StrictWindow never admits more than Limit in any Window, wherever it begins. It has a
	// resolution of Buckets per Window, and may deny a call up to one bucket too early. It
	// denies none too early if Limit is not above Buckets.
	StrictWindow

	// Concurrency limits how many may work at the same time. A caller admitted by Acquire
	// holds a slot until it releases the lease, or for Window if it fails to renew it. A
	// call admitted by other methods holds a slot for Window.
	Concurrency
)

var algorithms = [...]string{"gcra", "fixed", "counter", "strict", "slots"}

// String returns a short name: "gcra", "fixed", "counter", "strict" or "slots".
func (a Algorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a]
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// DefaultBuckets is the default of Policy.Buckets.
const DefaultBuckets = 60

// A Policy defines how much may happen in a time window.
type Policy struct {
	// Name identifies the policy in results, in HTTP fields, and in the keys of a shared
	// limiter. It has 1 to 64 letters, digits, "_", "-" and ".", and must be unique among
	// the policies of a limiter.
	Name string

	// Algorithm selects how the policy counts. Zero: GCRA.
	Algorithm Algorithm

	// Limit is how much may happen in a Window. It must be at least 1.
	Limit int

	// Window is the time window of Limit, in whole microseconds, from a millisecond to ten
	// years. For Concurrency it is how long a slot is held without renewal.
	Window time.Duration

	// Burst is how much may happen at once. It is for GCRA only. Zero: Limit.
	Burst int

	// Buckets is the resolution of a StrictWindow: it denies at most Window/Buckets too
	// early, and stores at most Buckets+1 numbers per key. At most 4096. Zero:
	// DefaultBuckets.
	Buckets int
}

// Validate returns all mistakes in the policy, joined, or nil. Constructors of limiters
// call it.
func (p Policy) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validName(p.Name) {
		wrong(`Name %q: want 1 to 64 letters, digits and "_-."`, p.Name)
	}
	if int(p.Algorithm) >= len(algorithms) {
		wrong("there is no %v", p.Algorithm)
	}
	if p.Limit < 1 || p.Limit > meter.MaxLimit {
		wrong("Limit %d: want 1 to %d", p.Limit, int64(meter.MaxLimit))
	}
	if p.Window < time.Millisecond || p.Window > meter.MaxWindow*time.Microsecond || p.Window%time.Microsecond != 0 {
		wrong("Window %v: want whole microseconds, 1ms to ten years", p.Window)
	}
	if p.Burst < 0 || p.Burst > meter.MaxLimit || p.Burst != 0 && p.Algorithm != GCRA {
		wrong("Burst %d: want 0 to %d, and 0 unless the algorithm is gcra", p.Burst, int64(meter.MaxLimit))
	}
	if p.Buckets < 0 || p.Buckets > meter.MaxBuckets || p.Buckets != 0 && p.Algorithm != StrictWindow {
		wrong("Buckets %d: want 0 to %d, and 0 unless the algorithm is strict", p.Buckets, meter.MaxBuckets)
	}
	if len(errs) == 0 {
		if _, err := p.rule(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("policy %q: %w", p.Name, oneline.Join(errs...))
}

func validName(name string) bool {
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 64
}

// rule returns the numeric form of the policy.
func (p Policy) rule() (meter.Rule, error) {
	p = p.withDefaults()
	return meter.New(meter.Kind(p.Algorithm), int64(p.Limit), p.Window.Microseconds(), int64(p.Burst), int64(p.Buckets))
}

func (p Policy) withDefaults() Policy {
	if p.Burst == 0 && p.Algorithm == GCRA {
		p.Burst = p.Limit
	}
	if p.Buckets == 0 && p.Algorithm == StrictWindow {
		p.Buckets = DefaultBuckets
	}
	return p
}

// Validate returns the policies with their defaults filled in, or an error that joins all
// mistakes. It is meant for implementations of [Limiter].
func Validate(p Policy, more ...Policy) ([]Policy, error) {
	all := append([]Policy{p}, more...)
	var errs []error
	names := make(map[string]bool)
	for i, p := range all {
		errs = append(errs, p.Validate())
		if names[p.Name] {
			errs = append(errs, fmt.Errorf("policy %q: duplicate name", p.Name))
		}
		names[p.Name] = true
		all[i] = p.withDefaults()
	}
	if len(all) > MaxPolicies {
		errs = append(errs, fmt.Errorf("%d policies: want at most %d", len(all), MaxPolicies))
	}
	return all, oneline.Join(errs...)
}

// MaxPolicies is the maximum number of policies of a limiter.
const MaxPolicies = 16
