package flight

import "time"

// A Loading tells of a load that a call waits for.
type Loading struct {
	Since        time.Time // when it began; zero: there is none, or it has ended
	AsOf         uint64    // the same moment, by the counter of the store that loads
	Stamp, Local uint64    // readings of logical clocks from before it began
	Calls        int       // how many calls of the key are under way now
}

// Load notes that the call loads.
func (c *Call[T]) Load(l Loading) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.loading = l
}

// Loading returns what Load has noted last.
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

// Forgets returns a channel that is closed when the call is, or has been, forgotten.
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
