package flight

import "time"

// An offer is a value that waiters may use instead of the result.
type offer[T any] struct {
	value  T
	since  time.Time // time of the first offer of the call
	stands bool      // the call was not forgotten
}

// Offer offers value to waiters that do not wait until the end of the call: see Offered. It
// replaces an earlier offer.
func (c *Call[T]) Offer(value T) {
	now := time.Now()
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.offer == nil && c.offers != nil {
		close(c.offers)
	}
	if c.offer != nil {
		now = c.offer.since
	}
	c.offer = &offer[T]{value, now, !c.forgotten}
}

// Offers returns a channel that is closed with the first Offer.
func (c *Call[T]) Offers() <-chan struct{} {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.offers == nil {
		c.offers = make(chan struct{})
		if c.offer != nil {
			close(c.offers)
		}
	}
	return c.offers
}

// Offered returns the last offer and the time of the first one. stands is false if there is
// none, or if the call was forgotten: the offer is then older than the change that caused
// the Forget.
func (c *Call[T]) Offered() (value T, since time.Time, stands bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.offer == nil {
		return value, since, false
	}
	return c.offer.value, c.offer.since, c.offer.stands
}

// Detach lets the work run to its end, or to Close, with or without waiters.
func (c *Call[T]) Detach() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.detached = true
}

// Quit reports that a caller that has joined, or the leader, does not wait. A call without
// waiters is cancelled, unless it is detached. A caller of Wait must not call Quit.
func (c *Call[T]) Quit() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.waiters--; c.waiters == 0 && !c.detached {
		c.end()
		c.leave() // a cancelled call must not be joined
	}
}
