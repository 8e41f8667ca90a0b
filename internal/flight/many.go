package flight

import (
	"context"
	"slices"
)

// A Batch has the calls of one BeginMany.
type Batch[T any] struct {
	// Calls and Leads are in the order of the indices that BeginMany was given. The caller
	// may change them until End.
	Calls []*Call[T]
	Leads []bool

	group *Group[T]
	led   []Call[T] // those that the batch leads, in one allocation
}

// BeginMany is Begin for keys at the indices in which. A duplicate key joins the first one,
// also if that was forgotten in between: a batch must not lead two calls for one key. The
// caller should call End when it does not need the calls any more.
func (g *Group[T]) BeginMany(ctx context.Context, keys []string, which []int) *Batch[T] {
	b, _ := g.batches.Get().(*Batch[T])
	if b == nil {
		b = &Batch[T]{group: g}
	}
	n := len(which)
	b.Calls, b.Leads = slices.Grow(b.Calls[:0], n)[:n], slices.Grow(b.Leads[:0], n)[:n]
	var values context.Context
	for j, i := range which {
		key := keys[i]
		s := g.shard(key)
		s.mu.Lock()
		c, lead := s.join(key, false), false
		if c == nil {
			c = s.joinOwn(key, b.led)
		}
		if c == nil {
			if len(b.led) == 0 {
				b.led, values = slices.Grow(b.led, n-j), valuesOf(ctx) // its calls must not move
			}
			b.led = b.led[:len(b.led)+1]
			c = &b.led[len(b.led)-1]
			lead = s.lead(g, c, key, values, false)
		}
		b.Calls[j], b.Leads[j] = c, lead
		s.mu.Unlock()
	}
	return b
}

// mostKept is the number of calls of a batch above which its memory is left to the garbage
// collector.
const mostKept = 1024

// End gives the memory of b to later batches, unless something else may still refer to one of
// the calls that b has led: each must have been settled before another caller joined it.
// Neither b nor its calls may be used afterwards.
func (b *Batch[T]) End() {
	if cap(b.led) > mostKept {
		return
	}
	for i := range b.led {
		if !b.led[i].settled {
			return
		}
	}
	clear(b.Calls)
	clear(b.led)
	b.led = b.led[:0]
	b.group.batches.Put(b)
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
