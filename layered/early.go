package layered

import (
	"math/rand/v2"
	"time"

	"github.com/lokroom/strata/store"
)

// earlyAt draws when a value whose load took so long, and whose fresh life ends at
// end, is to be loaded anew: see Options.RefreshBeta.
//
// The paper (Vattani, Chierichetti and Lowenstein, Optimal Probabilistic Cache Stampede
// Prevention, VLDB 2015) has every reader draw, which a hit in L1 would pay for. Here
// every process draws once for each copy that it keeps, and every read of L2 that L1 is
// not there for: the same distribution, of the first of so many draws.
func (o *Options[T]) earlyAt(loadTime time.Duration, end store.Time) store.Time {
	if o.RefreshBeta == 0 || loadTime <= 0 {
		return 0
	}
	const most = float64(100 * 365 * 24 * time.Hour)
	early := float64(loadTime) * o.RefreshBeta * rand.ExpFloat64()
	return end.Add(-time.Duration(min(early, most)))
}

// refreshesAhead reports whether values are loaded anew before their fresh life ends.
func (o *Options[T]) refreshesAhead() bool { return o.RefreshAhead > 0 || o.RefreshBeta > 0 }
