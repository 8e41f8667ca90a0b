package layered

import (
	"math/rand/v2"
	"time"

	"github.com/lokroom/strata/store"
)

// ShouldRefresh reports whether e, which [Store.Local] returned, should be loaded again: see
// Options.RefreshAhead.
func (s *Store[T]) ShouldRefresh(e *store.Entry[T]) bool {
	return e.RefreshAt != 0 && s.clock.Passed(e.RefreshAt)
}

// refreshAt returns when e, which L1 is about to keep, should be loaded again: the earlier
// time of RefreshAhead and RefreshBeta.
func (s *Store[T]) refreshAt(e *store.Entry[T]) store.Time {
	end := shorter(e.ExpiresAt, e.StaleAt)
	if !s.opts.refreshesAhead() || end == 0 || s.filler != nil && e.Version == 0 {
		return 0
	}
	return shorter(s.opts.aheadAt(e, end), s.opts.earlyAt(e.LoadTime, end))
}

// aheadAt returns when the fraction RefreshAhead of the fresh life of e, which ends at end,
// is over. The life begins with the load, by the clock of the process that loaded e; if that
// is in the future, now.
func (o *Options[T]) aheadAt(e *store.Entry[T], end store.Time) store.Time {
	if o.RefreshAhead == 0 {
		return 0
	}
	from := e.LoadedAt
	if now := store.Now(); from == 0 || from > now {
		from = now
	}
	life := end.Sub(from)
	if life <= 0 {
		return 0
	}
	return from.Add(o.jitter(time.Duration(o.RefreshAhead * float64(life))))
}

// earlyAt draws when a value with this load time and a fresh life that ends at end, is loaded
// again: see Options.RefreshBeta.
//
// In the paper (Vattani, Chierichetti and Lowenstein, Optimal Probabilistic Cache Stampede
// Prevention, VLDB 2015) every reader draws, which would slow a hit in L1. Here every process
// draws once for each copy that it keeps, and for every read of L2 that L1 does not keep.
// That is the distribution of the first of as many draws.
func (o *Options[T]) earlyAt(loadTime time.Duration, end store.Time) store.Time {
	if o.RefreshBeta == 0 || loadTime <= 0 {
		return 0
	}
	const most = float64(100 * 365 * 24 * time.Hour)
	early := float64(loadTime) * o.RefreshBeta * rand.ExpFloat64()
	return end.Add(-time.Duration(min(early, most)))
}

// refreshesAhead reports whether values are loaded again before their fresh life ends.
func (o *Options[T]) refreshesAhead() bool { return o.RefreshAhead > 0 || o.RefreshBeta > 0 }

// dueInL2 reports whether e, which was read from L2, should be loaded again.
func (s *Store[T]) dueInL2(e *store.Entry[T]) bool {
	at := s.refreshAt(e)
	return at != 0 && s.clock.Passed(at)
}
