// Package fence keeps overtaken values out of L1.
//
// Order on the wire is not enough. The reply to a read and the push about a later change
// are handled by two goroutines. The change may be handled while L1 has nothing to drop;
// the old value would then be kept after it, and no other push would follow. A [Token] is
// taken before the read is sent, so whatever overtakes the read moves the count in between.
package fence

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/layered/internal/lazy"
)

// There are 512 stripes, in blocks that are allocated when one of their keys is first read.
const (
	blocks          = 64
	stripesPerBlock = 8
)

// A Fence refuses values that were overtaken on their way to L1. All methods may be called
// concurrently.
type Fence struct {
	seed    maphash.Seed
	changes atomic.Uint64
	blocks  [blocks]lazy.Value[[stripesPerBlock]stripe]
}

// A stripe is the fence of the keys that hash to it. Keys that share a stripe refuse each
// other's values now and then, which costs a read and no more.
type stripe struct {
	mu      sync.Mutex
	count   uint64               // counts changes of the keys, and in steps of suspicion, possible ones
	waiting map[string][]*Waiter // those that wait for a change
	_       [40]byte
}

// suspicion is the step of a count when changes were possibly missed and none is known.
const suspicion = 1 << 32

// A Token is the state of a key's fence before a read is sent. The zero Token is invalid.
type Token struct {
	stripe *stripe
	count  uint64

	// Replaces makes the value that is kept overtake other reads. It is for a value
	// that takes the place of one that others may be reading: L2 does not push the
	// fills of this process.
	Replaces bool
}

// New returns a Fence.
func New() *Fence { return &Fence{seed: maphash.MakeSeed()} }

// Changes returns how many changes of L1 have been made. A copy that was seen in L1 may be
// used without a second look while the number is the same.
func (f *Fence) Changes() uint64 { return f.changes.Load() }

// Changed counts a change that was made without the Fence.
func (f *Fence) Changed() { f.changes.Add(1) }

func (f *Fence) stripe(key string) *stripe {
	h := maphash.String(f.seed, key)
	return &f.blocks[h%blocks].Get()[h/blocks%stripesPerBlock]
}

// Token returns the token of a read of key. It must be taken before the read is sent.
func (f *Fence) Token(key string) Token {
	st := f.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	return Token{stripe: st, count: st.count}
}

// Overtaken returns a token with which nothing is kept.
func (t Token) Overtaken() Token {
	t.count--
	return t
}

// Valid reports whether nothing has overtaken the read of t.
func (t Token) Valid() bool {
	t.stripe.mu.Lock()
	defer t.stripe.mu.Unlock()
	return t.stripe.count == t.count
}

// Keep runs keep, and returns true, if nothing has overtaken the read of t.
// Invalidations of the key wait meanwhile: keep must be quick.
func (f *Fence) Keep(t Token, keep func()) bool {
	t.stripe.mu.Lock()
	defer t.stripe.mu.Unlock()
	if t.stripe.count != t.count && !mutant.NoFence.Load() {
		return false
	}
	if t.Replaces {
		t.stripe.count++
	}
	keep()
	f.changes.Add(1)
	return true
}

// KeepSuspect is Keep that ignores calls of [Fence.SuspectAll].
func (f *Fence) KeepSuspect(t Token, keep func()) bool {
	t.stripe.mu.Lock()
	defer t.stripe.mu.Unlock()
	if t.stripe.count%suspicion != t.count%suspicion {
		return false
	}
	keep()
	f.changes.Add(1)
	return true
}

// Invalidate overtakes the reads of key that are in flight, wakes the readers that wait for
// a change of key, and runs drop.
func (f *Fence) Invalidate(key string, drop func()) {
	st := f.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.count++
	st.wake(key)
	drop()
	f.changes.Add(1)
}

// Overtake is Invalidate that wakes no reader.
func (f *Fence) Overtake(key string, drop func()) {
	st := f.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.count++
	drop()
	f.changes.Add(1)
}

// InvalidateAll overtakes all reads that are in flight and wakes all readers that wait.
// When it returns, no Keep runs that has not noticed.
func (f *Fence) InvalidateAll() { f.moveEach(1) }

// SuspectAll is InvalidateAll for changes that were possibly missed: none is known.
func (f *Fence) SuspectAll() { f.moveEach(suspicion) }

func (f *Fence) moveEach(by uint64) {
	defer f.changes.Add(1)
	for i := range f.blocks {
		block := f.blocks[i].Peek()
		if block == nil { // no read has taken a token there
			continue
		}
		for j := range block {
			st := &block[j]
			st.mu.Lock()
			st.count += by
			for key := range st.waiting {
				st.wake(key)
			}
			st.mu.Unlock()
		}
	}
}
