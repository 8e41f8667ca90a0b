package keys

import (
	"math/rand/v2"
	"time"

	"github.com/lokroom/strata/store"
)

// The usual lives of entries. Few of them, used everywhere, are easier to reason
// about than a number at each call.
const (
	// Short is for what changes often or is cheap to load: counts, searches.
	Short time.Duration = time.Minute

	// Medium is the default.
	Medium time.Duration = 5 * time.Minute

	// Long is for what changes seldom and is invalidated when it does.
	Long time.Duration = time.Hour

	// VeryLong is for what hardly ever changes: lists of countries, old bookings.
	VeryLong time.Duration = 24 * time.Hour
)

// Jitter returns a duration between (1-share)*d and d, all equally likely, so
// that entries that were stored together do not expire together. It never
// exceeds d, so a life stays the upper bound that it was meant to be, and a
// positive d stays positive. A share is taken as 0, which returns d, if it is
// less or not a number, and as 1 if it is more. [store.Forever] and what is not
// positive are returned as they are.
func Jitter(d time.Duration, share float64) time.Duration {
	if !(share > 0) || d <= 0 || d == store.Forever {
		return d
	}
	less := time.Duration(float64(d) * min(share, 1) * rand.Float64())
	return max(d-less, 1)
}
