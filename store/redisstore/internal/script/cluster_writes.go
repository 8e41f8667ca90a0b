package script

import (
	"context"
	"fmt"
	"slices"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// writeCluster sends each call to the primary of its slot, and on to where that one
// says. rueidis would do so, too, but would leave the WAIT behind.
func (c *committer) writeCluster(ctx context.Context, l *link.Pair, calls []commit) []Outcome {
	outcomes := make([]Outcome, len(calls))
	open := make([]int, len(calls)) // indexes of those to be sent
	for i := range open {
		open[i] = i
	}
	for try := 1; len(open) > 0; try++ {
		c.round(ctx, l, calls, open, outcomes)
		if try == link.MaxTries {
			break
		}
		open = slices.DeleteFunc(open, func(i int) bool {
			addr, ask, elsewhere := link.SentElsewhere(outcomes[i].Reply.Error())
			calls[i].to, calls[i].ask = addr, ask
			return !elsewhere
		})
	}
	return outcomes
}

// round sends those calls that which names, once.
func (c *committer) round(ctx context.Context, l *link.Pair, calls []commit, which []int, outcomes []Outcome) {
	byAddr := make(map[string][]int)
	for _, i := range which {
		addr, err := c.primaryOf(ctx, l, &calls[i])
		if err != nil {
			outcomes[i].Reply = rueidis.NewErrorResult(err)
			continue
		}
		byAddr[addr] = append(byAddr[addr], i)
	}
	var waits []func()
	for addr, which := range byAddr {
		part := make([]commit, len(which))
		for j, i := range which {
			part[j] = calls[i]
		}
		b, at := c.submit(l, addr, part)
		waits = append(waits, func() {
			for j, o := range b.wait(ctx, at, len(part)) {
				outcomes[which[j]] = o
				if r := o.Reply; r.NonRedisError() != nil || link.IsMoved(r.Error()) {
					c.forgetSlots()
				}
			}
		})
	}
	for _, wait := range waits {
		wait()
	}
}

// primaryOf returns where a call is to be sent.
func (c *committer) primaryOf(ctx context.Context, l *link.Pair, x *commit) (addr string, err error) {
	if x.to != "" {
		return x.to, nil
	}
	c.mu.Lock()
	ranges := c.slots
	c.mu.Unlock()
	if ranges == nil {
		if ranges, err = c.link.SlotMap(ctx, l.W); err != nil {
			return "", err
		}
		c.mu.Lock()
		c.slots = ranges
		c.mu.Unlock()
	}
	if addr = link.OwnerOf(ranges, x.Key); addr != "" {
		return addr, nil
	}
	c.forgetSlots()
	return "", fmt.Errorf("%w: no node serves slot %d", store.ErrUnavailable, link.SlotOf(x.Key))
}

func (c *committer) forgetSlots() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = nil
}
