package ratelimit

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/oneline"
)

// An Algorithm is how a [Policy] counts.
type Algorithm uint8

const (
	// GCRA is a bucket of Burst tokens, into which Limit tokens flow in every
	// Window, evenly. It admits at most Burst + Limit in a Window, and Limit in
	// the long run. It is the cheapest, and the one that smooths.
	GCRA Algorithm = iota

	// FixedWindow counts from one multiple of Window since 1970 to the next: a
	// Window of 24 hours begins at midnight UTC. It admits at most Limit in each
	// of those, but up to twice that around a boundary.
	FixedWindow

	// SlidingCounter counts by fixed windows, too, and adds the share of the
	// window before that lies within a Window of now, as if its calls had been
	// spread evenly. If they were not, it admits up to almost twice Limit.
	SlidingCounter

	// StrictWindow never admits more than Limit in any Window, wherever that
	// begins. It tells Buckets moments of a Window apart, and denies up to one
	// of them too early; where Limit is not above Buckets, not even that.
	StrictWindow

	// Concurrency is how many may be at work at the same time. Who is admitted by
	// Acquire holds a slot until its lease is released, or for Window if it dies;
	// what is admitted by other calls holds one for Window.
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

// DefaultBuckets is how many moments of a Window a StrictWindow tells apart where
// nothing else is said.
const DefaultBuckets = 60

// A Policy says how much may happen in which time.
type Policy struct {
	// Name says which policy decided: in results, in HTTP fields, and in the keys
	// that a shared limiter uses. It has 1 to 64 letters, digits and any of "_-."
	// and must be unique among the policies of a limiter.
	Name string

	// Algorithm is how it counts. Zero: GCRA.
	Algorithm Algorithm

	// Limit is how much may happen in a Window, at least 1.
	Limit int

	// Window is the time that Limit is about, in whole microseconds, from a
	// millisecond to ten years. For Concurrency it is how long a slot is held by
	// somebody who does not say that it still lives.
	Window time.Duration

	// Burst is how much may happen at once, for GCRA only. Zero: Limit.
	Burst int

	// Buckets is the precision of a StrictWindow: it denies at most
	// Window/Buckets too early, and remembers at most Buckets+1 numbers for a key.
	// Zero: DefaultBuckets. At most 4096.
	Buckets int
}

// Validate returns all that is wrong with the policy, joined, or nil. The
// constructors of limiters call it.
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

// rule returns the policy in numbers.
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

// Validate returns the policies with their defaults filled in, or all that is wrong
// with them. It is for those who implement a [Limiter].
func Validate(p Policy, more ...Policy) ([]Policy, error) {
	all := append([]Policy{p}, more...)
	var errs []error
	names := make(map[string]bool)
	for i, p := range all {
		errs = append(errs, p.Validate())
		if names[p.Name] {
			errs = append(errs, fmt.Errorf("policy %q: there is another one of this name", p.Name))
		}
		names[p.Name] = true
		all[i] = p.withDefaults()
	}
	if len(all) > MaxPolicies {
		errs = append(errs, fmt.Errorf("%d policies: want at most %d", len(all), MaxPolicies))
	}
	return all, oneline.Join(errs...)
}

// MaxPolicies is how many policies a limiter may have.
const MaxPolicies = 16
