package flight

import "context"

// BeginMany is Begin for those of keys that which names. The calls and who leads them
// are in the places of which. A key that is there twice is joined.
func (g *Group[T]) BeginMany(ctx context.Context, keys []string, which []int) (calls []*Call[T], lead []bool) {
	calls, lead = make([]*Call[T], len(which)), make([]bool, len(which))
	var led []Call[T] // one piece of memory
	var values context.Context
	for j, i := range which {
		key := keys[i]
		s := g.shard(key)
		s.mu.Lock()
		if calls[j] = s.join(key, false); calls[j] == nil {
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

// Settle is Finish by the one who leads the call, has begun it with BeginMany, and
// knows the result, so that he does not Wait for it. It returns false, and does
// nothing, if others do.
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
