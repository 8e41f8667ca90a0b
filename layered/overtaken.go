package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// A load is overtaken by a write that it need not have seen. Who begins to read after the
// write does not wait for it. A write that names keys, or is of all, ends their leases and
// keeps newcomers out of their flights.
//
// InvalidateTags is of whatever carries a tag, and what a load will bring carries is known
// only at its end. Most loads that are under way when some tag is invalidated do not carry
// it. So a load that is older than such a call is waited for as long as it may be an
// ordinary one, and no longer: else each call would have all keys loaded once more.

// waitOvertaken is how long a load is waited for that may have been overtaken; n is how
// many loads of the key are under way: each of them makes it twice as long, so that a source
// that hangs is not asked again and again.
func (s *Store[T]) waitOvertaken(n int) time.Duration {
	return max(4*s.usual.get(), leastOvertaken) << min(max(n-1, 0), 10)
}

const (
	leastOvertaken = 100 * time.Millisecond

	// firstLook is after what time a reader looks again whether a load that is older than an
	// ordinary one was overtaken: the push of what has overtaken it may be on its way.
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// loads notes that the calls begin a load, at the moment asOf; stamp is that of L2, if
// there is one.
func (s *Store[T]) loads(asOf, stamp uint64, calls ...*call[T]) {
	l := flight.Loading{Since: time.Now(), AsOf: asOf, Stamp: stamp, Local: s.opts.Tags.now()}
	for _, c := range calls {
		c.Load(l)
	}
}

// passesBy reports whether a read that has joined c must not wait for it, and has left it
// then: some tag was invalidated since its load began, and it takes longer than an ordinary
// one.
func (s *Store[T]) passesBy(ctx context.Context, c *call[T]) bool {
	l := c.Loading()
	if l.Since.IsZero() || time.Since(l.Since) < s.waitOvertaken(l.Calls) || !s.tagsMoved(ctx, &l) {
		return false
	}
	c.Leave()
	c.Quit()
	return true
}

// A joined is what a reader that waits for a call heeds beside its result.
type joined struct {
	soft      bool             // something stale will do
	forgotten <-chan struct{}  // the call was forgotten: see futile
	old       <-chan time.Time // its load is older than an ordinary one: see passesBy
	timer     *time.Timer
	look      time.Duration // until the next look
}

func (j *joined) waits() bool { return j.soft || j.forgotten != nil || j.old != nil }

func (j *joined) stop() {
	if j.timer != nil {
		j.timer.Stop()
	}
}

// joins sets what a reader that has joined c, which others lead, heeds.
func (s *Store[T]) joins(c *call[T], j *joined) {
	j.forgotten = c.Forgets()
	if l := c.Loading(); !l.Since.IsZero() {
		j.timer = time.NewTimer(max(s.waitOvertaken(l.Calls)-time.Since(l.Since), firstLook))
		j.old, j.look = j.timer.C, firstLook
	}
}

// again has old be looked at again, later and later.
func (j *joined) again() {
	j.timer.Reset(j.look)
	j.look = min(2*j.look, lastLook)
}

// tagsMoved reports whether some tag was invalidated since l, here or elsewhere.
func (s *Store[T]) tagsMoved(ctx context.Context, l *flight.Loading) bool {
	if s.opts.Tags.now() > l.Local {
		return true
	}
	if s.stamper == nil || l.Stamp == 0 {
		return false
	}
	stamp, err := s.stamper.Stamp(ctx)
	return err == nil && stamp > l.Stamp
}

// passBy tells how long to wait for another's lease, g, and what the next request is to
// name as ended instead of not. nothing says that this process has found nothing to read:
// if there is an entry all the same, it was invalidated, and the lease may be older.
func (s *Store[T]) passBy(g *store.Grant, not uint64, nothing bool) (left time.Duration, next uint64) {
	switch {
	case nothing && g.Version != 0 && g.Version != not:
		return 0, g.Version
	case g.Overtaken && g.Holder != 0:
		return min(g.Left, s.waitOvertaken(1)), g.Holder
	}
	return g.Left, not
}

// futile reports whether the result of c, which was forgotten, will be of no use to a read
// that began at the moment began and has joined it, and has left it then. The load had
// begun before, and nothing will prove now that its result is still right.
func (s *Store[T]) futile(c *call[T], began uint64) bool {
	l := c.Loading()
	if l.AsOf == 0 || l.AsOf > began || mutant.OldJoin.Load() {
		return false
	}
	c.Quit()
	return true
}
