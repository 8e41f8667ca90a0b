package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// A write overtakes the loads that possibly did not see it. A reader that begins after the
// write does not wait for such a load. A write of keys, or of all keys, revokes the leases
// and keeps newcomers out of the flights.
//
// The tags of a value are known only at the end of its load, and most loads in flight do
// not have a tag that is invalidated meanwhile. So a reader waits for a load that is older
// than a call of InvalidateTags for the usual time of a load, and no longer. Otherwise each
// call would cause all keys to be loaded again.

// waitOvertaken is how long a reader waits for a load that was possibly overtaken. n is the
// number of loads of the key in flight; each doubles the wait, so that a source that hangs is
// not called again and again.
func (s *Store[T]) waitOvertaken(n int) time.Duration {
	return max(4*s.usualLoadTime.get(), leastOvertaken) << min(max(n-1, 0), 10)
}

const (
	leastOvertaken = 100 * time.Millisecond

	// firstLook is the interval after which a reader checks again whether a long load was
	// overtaken: the push of the change may be on its way.
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// loads notes that c begins a load, at the moment asOf. stamp is that of L2; 0: none.
func (s *Store[T]) loads(c *call[T], asOf, stamp uint64) {
	c.Load(flight.Loading{Since: time.Now(), AsOf: asOf, Stamp: stamp, Local: s.opts.Tags.now()})
}

// leavesOvertaken reports whether a read that has joined c must not wait for it, and leaves
// it then: a tag was invalidated since its load began, and it takes longer than usual.
func (s *Store[T]) leavesOvertaken(ctx context.Context, c *call[T]) bool {
	l := c.Loading()
	if l.Since.IsZero() || time.Since(l.Since) < s.waitOvertaken(l.Calls) || !s.tagsMoved(ctx, &l) {
		return false
	}
	c.Leave()
	c.Quit()
	return true
}

// A joined is what ends the wait of a reader for a call, besides its result.
type joined struct {
	soft      bool             // a stale value is an answer
	forgotten <-chan struct{}  // the call was forgotten: see futile
	old       <-chan time.Time // its load takes longer than usual: see leavesOvertaken
	timer     *time.Timer
	look      time.Duration // until the next check
}

func (j *joined) waits() bool { return j.soft || j.forgotten != nil || j.old != nil }

func (j *joined) stop() {
	if j.timer != nil {
		j.timer.Stop()
	}
}

// joins sets the events for a reader that has joined c, which another caller leads.
func (s *Store[T]) joins(c *call[T], j *joined) {
	j.forgotten = c.Forgets()
	if l := c.Loading(); !l.Since.IsZero() {
		j.timer = time.NewTimer(max(s.waitOvertaken(l.Calls)-time.Since(l.Since), firstLook))
		j.old, j.look = j.timer.C, firstLook
	}
}

// again sets the next check, at growing intervals.
func (j *joined) again() {
	j.timer.Reset(j.look)
	j.look = min(2*j.look, lastLook)
}

// tagsMoved reports whether any process invalidated a tag since l.
func (s *Store[T]) tagsMoved(ctx context.Context, l *flight.Loading) bool {
	if s.opts.Tags.now() > l.Local {
		return true
	}
	if s.tagger == nil || l.Stamp == 0 {
		return false
	}
	stamp, err := s.tagger.Stamp(ctx)
	return err == nil && stamp > l.Stamp
}

// leaseWait returns how long to wait for the lease g of another process, and the version or
// holder to exclude from the next request instead of not. nothing means that this process has
// found no entry: if there is one, it was invalidated, and the lease may be older.
func (s *Store[T]) leaseWait(g *store.Grant, not uint64, nothing bool) (left time.Duration, next uint64) {
	switch {
	case nothing && g.Version != 0 && g.Version != not:
		return 0, g.Version
	case g.Overtaken && g.Holder != 0:
		return min(g.Left, s.waitOvertaken(1)), g.Holder
	}
	return g.Left, not
}

// futile reports whether the result of c, which was forgotten, is of no use for a read that
// began at the moment began and has joined it, and leaves it then. The load had begun before,
// and nothing will prove that its result is still right.
func (s *Store[T]) futile(c *call[T], began uint64) bool {
	l := c.Loading()
	if l.AsOf == 0 || l.AsOf > began || mutant.OldJoin.Load() {
		return false
	}
	c.Quit()
	return true
}
