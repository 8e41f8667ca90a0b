package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A slotRange is the part of a cluster's slots that a primary serves without a gap.
type slotRange struct {
	first, last uint16
	addr        string
}

// errNoHost says that a cluster names a node "?", which rueidis leaves out.
var errNoHost = errors.New("the cluster tells no address of a node: where cluster-preferred-endpoint-type is hostname, each node needs a cluster-announce-hostname")

// mapOf reads the reply to CLUSTER SLOTS of the node at addr, sorted by slot. A node that
// does not know its own host, or is not to tell it, has the host of addr.
func mapOf(addr string, r rueidis.RedisResult) ([]slotRange, error) {
	reply, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	asked, _, _ := net.SplitHostPort(addr)
	ranges := make([]slotRange, 0, len(reply))
	for _, r := range reply {
		part, err := r.ToArray()
		if err != nil || len(part) < 3 {
			return nil, errBadReply
		}
		first, err1 := part[0].AsInt64()
		last, err2 := part[1].AsInt64()
		at, err3 := part[2].ToArray()
		if cmp.Or(err1, err2, err3) != nil || len(at) < 2 {
			return nil, errBadReply
		}
		host, _ := at[0].ToString() // or nil
		port, err := at[1].AsInt64()
		if err != nil {
			return nil, errBadReply
		}
		if host == "?" {
			return nil, errNoHost
		}
		ranges = append(ranges, slotRange{uint16(first), uint16(last), joinHostPort(cmp.Or(host, asked), port)})
	}
	slices.SortFunc(ranges, func(a, b slotRange) int { return cmp.Compare(a.first, b.first) })
	return ranges, nil
}

// slotsOf asks a few of the nodes that w knows for the map of the slots, and takes the
// first answer: one of them may hang. That one is left to its timeout, because a dial
// that is given up fails all who wait for it.
func (c *Client) slotsOf(ctx context.Context, w rueidis.Client) (ranges []slotRange, err error) {
	const few = 4
	call, done := c.deadlines.Begin(context.Background())
	defer done()
	type answer struct {
		ranges []slotRange
		err    error
	}
	answers := make(chan answer, few)
	asked := 0
	for addr, node := range w.Nodes() { // in any order
		go func() {
			var a answer
			a.ranges, a.err = mapOf(c.canonical(addr), node.Do(call, node.B().ClusterSlots().Build()))
			answers <- a
		}()
		if asked++; asked == few {
			break
		}
	}
	err = fmt.Errorf("%w: %w", store.ErrUnavailable, errNoHost)
	for range asked {
		select {
		case a := <-answers:
			if a.err == nil {
				return a.ranges, nil
			}
			err = a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, err
}

// canonical returns addr, as rueidis names it, as slot maps do.
func (c *Client) canonical(addr string) string { return redisdial.WithHost(&c.opt, addr) }

// slotOfTagged is slotOf of any key: of what is between its first braces, if that is
// anything.
func slotOfTagged(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return slotOf(tag)
		}
	}
	return slotOf(key)
}

// nodeOf returns the client of the node of a cluster at addr, and nothing but that
// node. key is one that it serves. If c does not know the node, it learns of it by
// being sent there.
func nodeOf(ctx context.Context, c rueidis.Client, addr, key string) (rueidis.Client, error) {
	if node := c.Nodes()[addr]; node != nil {
		return node, nil
	}
	if err := c.Do(ctx, c.B().Exists().Key(key).Build()).Error(); err != nil {
		return nil, err
	}
	if node := c.Nodes()[addr]; node != nil {
		return node, nil
	}
	return nil, fmt.Errorf("%w: no connection to %s", store.ErrUnavailable, addr)
}

// writeCluster sends each call to the primary of its slot, and on to where that one
// says. rueidis would do so, too, but would leave the WAIT behind.
func (c *committer) writeCluster(ctx context.Context, l *links, calls []commit) []outcome {
	outcomes := make([]outcome, len(calls))
	open := make([]int, len(calls)) // indexes of those to be sent
	for i := range open {
		open[i] = i
	}
	for try := 1; len(open) > 0; try++ {
		c.round(ctx, l, calls, open, outcomes)
		if try == maxTries {
			break
		}
		open = slices.DeleteFunc(open, func(i int) bool {
			addr, ask, elsewhere := sentElsewhere(outcomes[i].reply.Error())
			calls[i].to, calls[i].ask = addr, ask
			return !elsewhere
		})
	}
	return outcomes
}

// round sends those calls that which names, once.
func (c *committer) round(ctx context.Context, l *links, calls []commit, which []int, outcomes []outcome) {
	byAddr := make(map[string][]int)
	for _, i := range which {
		addr, err := c.primaryOf(ctx, l, &calls[i])
		if err != nil {
			outcomes[i].reply = rueidis.NewErrorResult(err)
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
				if r := o.reply; r.NonRedisError() != nil || isMoved(r.Error()) {
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
func (c *committer) primaryOf(ctx context.Context, l *links, x *commit) (addr string, err error) {
	if x.to != "" {
		return x.to, nil
	}
	c.mu.Lock()
	ranges := c.slots
	c.mu.Unlock()
	if ranges == nil {
		if ranges, err = c.client.slotsOf(ctx, l.w); err != nil {
			return "", err
		}
		c.mu.Lock()
		c.slots = ranges
		c.mu.Unlock()
	}
	slot := slotOfTagged(x.key)
	for _, r := range ranges {
		if r.first <= slot && slot <= r.last {
			return r.addr, nil
		}
	}
	c.forgetSlots()
	return "", fmt.Errorf("%w: no node serves slot %d", store.ErrUnavailable, slot)
}

func (c *committer) forgetSlots() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = nil
}

// sentElsewhere reads an error reply that names the node to ask; ask says that it is
// not yet the one to begin with.
func sentElsewhere(err error) (addr string, ask, ok bool) {
	reply, isReply := rueidis.IsRedisErr(err)
	if !isReply {
		return "", false, false
	}
	if addr, ok = reply.IsAsk(); ok {
		return addr, true, true
	}
	addr, ok = reply.IsMoved()
	return addr, false, ok
}

func isMoved(err error) bool {
	_, ask, ok := sentElsewhere(err)
	return ok && !ask
}
