package layered

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// There are 512 stripes, in blocks that are made when one of their keys is first read.
const (
	stripeBlocks   = 64
	stripesOfBlock = 8
)

// A guard refuses copies that were overtaken on their way to L1.
//
// Why order on the wire is not enough: the reply to a read and the push about a
// later change are handled by two goroutines, so the change may be handled when
// there is nothing in L1 yet to drop, and the old value be kept after it; no
// other push would follow. The mark of a read is taken before the read is sent,
// so whatever overtakes it moves the epoch in between.
type guard struct {
	seed    maphash.Seed
	changes atomic.Uint64 // of L1, counted once they are made: see Look
	blocks  [stripeBlocks]lazy[[stripesOfBlock]stripe]
}

// A stripe guards the keys that hash to it. Keys that share one refuse each
// other's copies now and then, which costs a read and no more.
type stripe struct {
	mu      sync.Mutex
	epoch   uint64            // moved when one of the keys changed; by a doubt when they may have
	waiting map[string]*alarm // those who wait for a change
	_       [40]byte
}

// An alarm is rung when a key changes.
type alarm struct {
	rung    chan struct{}
	waiters int
	bells   []*bell
}

// A mark is what a read saw of its guard before it was sent.
type mark struct {
	stripe *stripe
	epoch  uint64
	copies uint64     // the epoch of trust that a copy would be of
	at     store.Time // when it was taken, if copies age: see Store.maxStale

	// replaces says that what is kept replaces what others may be reading: L2
	// does not tell of our own fills.
	replaces bool
}

func newGuard() *guard { return &guard{seed: maphash.MakeSeed()} }

// await returns a channel that is closed at the next change of key. stop must be
// called when nobody waits for it any more.
func (g *guard) await(key string) (changed <-chan struct{}, stop func()) {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	a := st.alarm(key)
	return a.rung, func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.leave(key, a)
	}
}

// alarm returns that of key to one who waits. The lock is held.
func (st *stripe) alarm(key string) *alarm {
	a := st.waiting[key]
	if a == nil {
		if st.waiting == nil {
			st.waiting = make(map[string]*alarm)
		}
		a = &alarm{rung: make(chan struct{})}
		st.waiting[key] = a
	}
	a.waiters++
	return a
}

// leave is called when one who waited does not any more. The lock is held.
func (st *stripe) leave(key string, a *alarm) {
	if a.waiters--; a.waiters == 0 && st.waiting[key] == a {
		delete(st.waiting, key)
	}
}

// ring wakes those who wait for a change of key.
func (g *guard) ring(key string) {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ring(key)
}

func (st *stripe) ring(key string) {
	if a := st.waiting[key]; a != nil {
		close(a.rung)
		for _, b := range a.bells {
			b.ring()
		}
		delete(st.waiting, key)
	}
}

func (g *guard) stripe(key string) *stripe {
	h := maphash.String(g.seed, key)
	return &g.blocks[h%stripeBlocks].get()[h/stripeBlocks%stripesOfBlock]
}

// mark must be taken before the read is sent.
func (g *guard) mark(key string) mark {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	return mark{stripe: st, epoch: st.epoch}
}

// overtaken returns a mark with which nothing is kept.
func (m mark) overtaken() mark {
	m.epoch--
	return m
}

// keep runs f, and reports so, if nothing has moved since m was taken.
// Invalidations of the key wait meanwhile: f must be quick.
func (g *guard) keep(m mark, f func()) bool {
	m.stripe.mu.Lock()
	defer m.stripe.mu.Unlock()
	if m.stripe.epoch != m.epoch && !mutant.NoGuard.Load() {
		return false
	}
	if m.replaces {
		m.stripe.epoch++
	}
	f()
	g.changes.Add(1)
	return true
}

// move overtakes the reads of key that are under way and runs f.
func (g *guard) move(key string, f func()) {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.epoch++
	st.ring(key)
	f()
	g.changes.Add(1)
}

// overtake is move for which nobody is woken who waits for a change of key.
func (g *guard) overtake(key string, f func()) {
	st := g.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.epoch++
	f()
	g.changes.Add(1)
}

// keepDoubtful is keep if nothing but doubts came up since m was taken.
func (g *guard) keepDoubtful(m mark, f func()) bool {
	m.stripe.mu.Lock()
	defer m.stripe.mu.Unlock()
	if m.stripe.epoch%doubt != m.epoch%doubt {
		return false
	}
	f()
	g.changes.Add(1)
	return true
}

// A doubt is how far an epoch is moved when nothing is known to have changed.
const doubt = 1 << 32

// moveAll overtakes all reads that are under way. When it returns, no keep runs
// that does not know.
func (g *guard) moveAll() { g.moveEach(1) }

// doubtAll is moveAll where nothing is known to have changed.
func (g *guard) doubtAll() { g.moveEach(doubt) }

func (g *guard) moveEach(by uint64) {
	defer g.changes.Add(1)
	for i := range g.blocks {
		block := g.blocks[i].peek()
		if block == nil { // no read was marked there
			continue
		}
		for j := range block {
			st := &block[j]
			st.mu.Lock()
			st.epoch += by
			for key := range st.waiting {
				st.ring(key)
			}
			st.mu.Unlock()
		}
	}
}
