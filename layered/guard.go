package layered

import (
	"hash/maphash"
	"sync"

	"github.com/lokroom/strata/internal/mutant"
)

const stripeCount = 512

// A guard refuses copies that were overtaken on their way to L1.
//
// Why order on the wire is not enough: the reply to a read and the push about a
// later change are handled by two goroutines, so the change may be handled when
// there is nothing in L1 yet to drop, and the old value be kept after it; no
// other push would follow. The mark of a read is taken before the read is sent,
// so whatever overtakes it moves the epoch in between.
type guard struct {
	seed    maphash.Seed
	stripes [stripeCount]stripe
}

// A stripe guards the keys that hash to it. Keys that share one refuse each
// other's copies now and then, which costs a read and no more.
type stripe struct {
	mu    sync.Mutex
	epoch uint64 // moved when one of the keys changed, or may have
	_     [48]byte
}

// A mark is what a read saw of its guard before it was sent.
type mark struct {
	stripe *stripe
	epoch  uint64
}

func newGuard() *guard { return &guard{seed: maphash.MakeSeed()} }

func (g *guard) stripe(key string) *stripe {
	return &g.stripes[maphash.String(g.seed, key)%stripeCount]
}

// mark must be taken before the read is sent.
func (g *guard) mark(key string) mark {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	return mark{st, st.epoch}
}

// keep runs f, and reports so, if nothing has moved since m was taken.
// Invalidations of the key wait meanwhile: f must be quick.
func (g *guard) keep(m mark, f func()) bool {
	m.stripe.mu.Lock()
	defer m.stripe.mu.Unlock()
	if m.stripe.epoch != m.epoch && !mutant.NoGuard.Load() {
		return false
	}
	f()
	return true
}

// move overtakes the reads of key that are under way and runs f.
func (g *guard) move(key string, f func()) {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.epoch++
	f()
}

// moveAll overtakes all reads that are under way. When it returns, no keep runs
// that does not know.
func (g *guard) moveAll() {
	for i := range g.stripes {
		st := &g.stripes[i]
		st.mu.Lock()
		st.epoch++
		st.mu.Unlock()
	}
}
