package flight

// Settle is Finish for a leader that knows the result, so that it need not Wait. If the call
// has other waiters, Settle does nothing and returns false.
func (c *Call[T]) Settle(err error) bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.waiters > 1 || c.finished {
		return false
	}
	c.err = err
	c.settled = !c.joined
	c.conclude()
	return true
}

// Free gives the memory of a call of Begin, and that of Room, to later calls, if Settle has
// ended it before another caller joined. Its leader, which must have passed neither Context
// nor Values on, must not use it afterwards. For other calls Free does nothing.
func (c *Call[T]) Free() {
	if !c.settled || c.home == nil {
		return
	}
	g, h := c.group, c.home
	*h = home[T]{}
	g.homes.Put(h)
}
