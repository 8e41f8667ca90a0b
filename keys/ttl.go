package keys

import (
	"math/rand/v2"
	"time"

	"github.com/lokroom/strata/store"
)

// Common TTLs. A few named values are easier to review than a number at each call.
const (
	// Short is for values that change often or are cheap to load: counts, searches.
	Short time.Duration = time.Minute

	// Medium is the default TTL of caches.
	Medium time.Duration = 5 * time.Minute

	// Long is for values that change rarely and are invalidated on change.
	Long time.Duration = time.Hour

	// VeryLong is for values that hardly ever change: lists of countries, old bookings.
	VeryLong time.Duration = 24 * time.Hour
)

// Jitter returns a random duration between (1-share)*d and d, uniformly distributed, so
// that entries stored together do not expire together. The result never exceeds d, and is
// positive if d is. A share below 0 or NaN counts as 0, which returns d; a share above 1
// counts as 1. [store.Forever] and durations that are not positive are returned unchanged.
func Jitter(d time.Duration, share float64) time.Duration {
	if !(share > 0) || d <= 0 || d == store.Forever {
		return d
	}
	less := time.Duration(float64(d) * min(share, 1) * rand.Float64())
	return max(d-less, 1)
}
