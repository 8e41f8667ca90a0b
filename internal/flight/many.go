package flight

import "context"

// BeginMany is Begin for keys at the indices in which. calls and lead are in the order of
// which. A duplicate key joins the first one, also if that was forgotten in between: a batch
// must not lead two calls for one key.
func (g *Group[T]) BeginMany(ctx context.Context, keys []string, which []int) (calls []*Call[T], lead []bool) {
	calls, lead = make([]*Call[T], len(which)), make([]bool, len(which))
	var led []Call[T] // one allocation
	var values context.Context
	for j, i := range which {
		key := keys[i]
		s := g.shard(key)
		s.mu.Lock()
		if calls[j] = s.join(key, false); calls[j] == nil && led != nil {
			calls[j] = s.joinOwn(key, led)
		}
		if calls[j] == nil {
			if led == nil {
				led, values = make([]Call[T], 0, len(which)-j), valuesOf(ctx)
			}
			led = led[:len(led)+1]
			calls[j] = &led[len(led)-1]
			lead[j] = s.lead(g, calls[j], key, values, false)
		}
		s.mu.Unlock()
	}
	return calls, lead
}

// joinOwn is join for the one of led that is for key, if there is one. The lock is held.
func (s *shard[T]) joinOwn(key string, led []Call[T]) *Call[T] {
	for c := s.live[key]; c != nil; c = c.next {
		for i := range led {
			if c == &led[i] {
				c.waiters++
				c.joined = true
				return c
			}
		}
	}
	return nil
}

// Settle is Finish for a leader that called BeginMany and knows the result, so that it need
// not Wait. If the call has other waiters, Settle does nothing and returns false.
func (c *Call[T]) Settle(err error) bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.waiters > 1 || c.finished {
		return false
	}
	c.err = err
	c.conclude()
	return true
}
