package flight

import "time"

// An offer is what those who wait for a call may have instead of its result.
type offer[T any] struct {
	value  T
	since  time.Time // when the call was first offered one
	stands bool      // the call was not forgotten
}

// Offer lets those who wait for the call have value instead, if they do not wait until
// its end: see Offered. It takes the place of what was offered before.
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

// Offers returns a channel that is closed when something has been offered.
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

// Offered returns what was offered last, and when something was for the first time.
// stands is false if nothing was, or if the call was forgotten: what was offered was
// known before whatever it was forgotten for.
func (c *Call[T]) Offered() (value T, since time.Time, stands bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.offer == nil {
		return value, since, false
	}
	return c.offer.value, c.offer.since, c.offer.stands
}

// Detach keeps the work going until its end, or Close, whether anybody waits or not.
func (c *Call[T]) Detach() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.detached = true
}

// Quit says that one of those who have joined, or who leads, does not wait. Without
// anybody who waits, a call that is not detached is cancelled. Who has called Wait
// must not call it.
func (c *Call[T]) Quit() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.waiters--; c.waiters == 0 && !c.detached {
		c.end()
		c.leave() // nobody may join what is being cancelled
	}
}
