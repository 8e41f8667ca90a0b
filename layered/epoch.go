package layered

import (
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A connection is the state of the connection to L2. It decides which copies L1 may serve.
//
// Each copy has the epoch in which it was made. A new epoch begins when invalidations were
// possibly missed. Copies of older epochs are suspect: they stay in L1, and serve again
// once L2 has confirmed them. While L2 is disconnected, no copy serves.
//
// All that a hit in L1 pays for this is the comparison in [connection.serves].
type connection struct {
	epoch atomic.Uint64

	mu             sync.Mutex // for changes of the fields below
	connected      bool
	bounded        bool          // copies serve by their age: see confirmed
	serving        atomic.Uint64 // the epoch if L2 is connected; else 0
	disconnectedAt atomic.Int64  // a [store.Time]; 0 if L2 is connected

	// When L2 last rolled back, or lost everything: the epoch, and the [store.Time].
	// 0: never.
	rolledBack   atomic.Uint64
	rolledBackAt atomic.Int64
}

// noEpoch is the epoch of entries that L2 does not know: there is no L2, or it could not be
// reached when they were loaded.
const noEpoch = 0

// newEpoch begins a new epoch.
func (c *connection) newEpoch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch.Add(1)
	c.serve()
}

// rollBack notes that L2 possibly rolled back, or lost everything. What was read from it
// before is of this epoch or an older one.
func (c *connection) rollBack() {
	c.rolledBack.Store(c.epoch.Load())
	c.rolledBackAt.Store(int64(store.Now()))
}

// setConnected notes whether L2 is connected.
func (c *connection) setConnected(connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if connected {
		c.disconnectedAt.Store(0)
	} else {
		c.disconnectedAt.CompareAndSwap(0, int64(store.Now()))
	}
	c.connected = connected
	c.serve()
}

// serve sets serving. The lock is held.
func (c *connection) serve() {
	if c.connected && !c.bounded {
		c.serving.Store(c.epoch.Load())
	} else {
		c.serving.Store(noEpoch)
	}
}

// serves reports whether copies of epoch are served because L2 is connected, or does not
// push invalidations of them. It is inlined into [Store.Lookup].
func (c *connection) serves(epoch uint64) bool {
	return epoch == noEpoch || epoch == c.serving.Load()
}
