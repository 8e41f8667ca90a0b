package layered

import (
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// trust says which copies of L2's entries L1 may serve. Each copy bears the epoch
// that it was made in. When changes may have gone untold a new epoch begins, and
// the copies of older ones are in doubt: they stay, and serve again once L2 has
// confirmed them. While L2 has not been heard of for too long, no copy serves.
//
// The one comparison that a hit in L1 pays for all this is in [Store.trusted].
type trust struct {
	epoch atomic.Uint64

	mu      sync.Mutex // of changes
	hears   bool
	bounded bool          // copies are trusted by their age: see confirmed
	serving atomic.Uint64 // the epoch, if L2 is heard of; else 0
	silent  atomic.Int64  // the [store.Time] since when it is not; else 0

	// When L2 was last known to have gone back in time, or to have lost everything: the
	// epoch, and the [store.Time]. Zero: it never has.
	rolled   atomic.Uint64
	rolledAt atomic.Int64
}

// noEpoch marks entries that L2 has nothing to do with: it is not there, or could
// not be reached when they were loaded.
const noEpoch = 0

// doubt begins a new epoch.
func (t *trust) doubt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch.Add(1)
	t.serve()
}

// rollBack notes that L2 may have gone back in time, or lost everything. What was read from
// it before is of this epoch or an older one.
func (t *trust) rollBack() {
	t.rolled.Store(t.epoch.Load())
	t.rolledAt.Store(int64(store.Now()))
}

// hear is told whether L2 is heard of.
func (t *trust) hear(hears bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if hears {
		t.silent.Store(0)
	} else {
		t.silent.CompareAndSwap(0, int64(store.Now()))
	}
	t.hears = hears
	t.serve()
}

func (t *trust) serve() {
	if t.hears && !t.bounded {
		t.serving.Store(t.epoch.Load())
	} else {
		t.serving.Store(noEpoch)
	}
}

// serves reports whether copies of epoch are served because L2 is connected, or does not push
// invalidations of them. It is inlined where a hit would notice the call of trusted.
func (t *trust) serves(epoch uint64) bool { return epoch == noEpoch || epoch == t.serving.Load() }

// trusted reports whether L1 may serve its copy e.
func (s *Store[T]) trusted(e *store.Entry[T]) bool {
	return s.trust.serves(e.Epoch) || s.maxStale > 0 && s.confirmed(e) || s.mutated(e)
}

// confirmed reports whether L2, which need not tell of changes, has confirmed e within
// maxStale. Whether L2 is heard of does not matter then.
func (s *Store[T]) confirmed(e *store.Entry[T]) bool {
	return e.Epoch == s.trust.epoch.Load() && (!s.clock.Passed(e.CheckAt) || mutant.NoMaxStale.Load())
}

// mutated reports whether a test has taken the fence away that keeps e from being
// served.
func (s *Store[T]) mutated(e *store.Entry[T]) bool {
	old := e.Epoch != s.trust.epoch.Load()
	silent := s.trust.serving.Load() == noEpoch
	return (mutant.NoEpoch.Load() || mutant.NoPulse.Load()) &&
		(!old || mutant.NoEpoch.Load()) && (!silent || mutant.NoPulse.Load())
}
