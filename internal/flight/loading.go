package flight

import "time"

// Loading describes a load that a call waits for.
type Loading struct {
	Since        time.Time // when it began; zero: none, or it has ended
	AsOf         uint64    // the same time, by the counter of the loading store
	Stamp, Local uint64    // logical clocks read before it began
	Calls        int       // number of calls of the key in flight
}

// Load records that the call loads.
func (c *Call[T]) Load(l Loading) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.loading = l
}

// Loading returns the value of the last Load.
func (c *Call[T]) Loading() Loading {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.finished {
		return Loading{}
	}
	l := c.loading
	for other := c.shard.live[c.node.key]; other != nil; other = other.next {
		l.Calls++
	}
	return l
}

// Forgets returns a channel that is closed when the call is forgotten.
func (c *Call[T]) Forgets() <-chan struct{} {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.forgotten {
		return ended
	}
	if c.forgets == nil {
		c.forgets = make(chan struct{})
	}
	return c.forgets
}
