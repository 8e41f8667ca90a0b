package redisstore

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/redis/rueidis"
)

// The slot map of a cluster is part of every heartbeat. A heartbeat of a key proves that
// the connection to a primary works, but not that the primary still serves the slots of
// the keys that were read from it: a slot may leave it without an invalidation, and reads
// may go to a shard that has joined since. So each primary also answers with the slot map
// as it knows it, in the same exchange. When one has changed, every copy in L1 becomes
// suspect, and the heartbeat asks all primaries of the new map before it counts.
//
// The epoch of the cluster belongs to it: a slot that has left and is back since the last
// heartbeat leaves the same map with a higher epoch. The epoch alone, which is shorter, is
// not enough: it stays the same when a slot moves to the node that has the highest epoch
// already (Redis 7 and 8, Valkey 9, also with CLUSTER MIGRATESLOTS).

// A topology is what the last heartbeat has learned of the cluster.
type topology struct {
	mu    sync.Mutex
	nodes []node                 // the primaries, sorted by address
	maps  map[string][]slotRange // the slot map of each primary, by its address
	epoch int64                  // the highest that one of them knows
}

// A node is a primary of a cluster and a key that it serves.
type node struct{ addr, key string }

// serves reports whether addr serves a slot according to ranges.
func serves(ranges []slotRange, addr string) bool {
	return slices.ContainsFunc(ranges, func(r slotRange) bool { return r.addr == addr })
}

// known returns the primaries of the last heartbeat.
func (t *topology) known() []node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes
}

// learn stores the slot maps that nodes have answered with, the epoch, and the primaries
// that they name, and reports whether anything differs from what was known.
func (t *topology) learn(maps map[string][]slotRange, epoch int64, primaries []node) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed = !slices.Equal(t.nodes, primaries) || epoch > t.epoch && !mutant.NoClusterEpoch.Load()
	t.epoch = max(t.epoch, epoch)
	next := make(map[string][]slotRange, len(primaries))
	for _, n := range primaries {
		if old, ok := t.maps[n.addr]; ok {
			next[n.addr] = old
		}
	}
	for addr, ranges := range maps {
		if old, ok := t.maps[addr]; ok && !slices.Equal(old, ranges) {
			changed = true
		}
		next[addr] = ranges
	}
	t.maps, t.nodes = next, primaries
	return changed && !mutant.NoSlotMap.Load()
}

// askCluster asks every primary, until the slot maps of all of them name no other.
func (p *pulse) askCluster(ctx context.Context, l *links) (a vitals, err error) {
	nodes := p.topology.known()
	failed := false
	for range maxTries {
		if len(nodes) == 0 {
			ranges, err := p.client.slotsOf(ctx, l.w)
			if err != nil {
				return a, err
			}
			nodes = p.primaries(nil, map[string][]slotRange{"": ranges}, nil)
		}
		part, cancel := firstPart(ctx, failed)
		var next []node
		a, next, err = p.askNodes(part, l, nodes)
		cancel()
		if err == nil && slices.Equal(nodes, next) || err != nil && failed {
			return a, err
		}
		nodes, failed = next, err != nil
	}
	if err == nil { // it changes all the time
		err = errMoved
	}
	return a, err
}

// firstPart leaves half of the time of the first try for another one: a primary that
// hangs may have been replaced.
func firstPart(ctx context.Context, failed bool) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || failed {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// askNodes asks nodes, and returns the primaries that their slot maps name. A node that
// serves no slot according to its own map need not be a primary. None are returned if no
// node has answered with a map.
func (p *pulse) askNodes(ctx context.Context, l *links, nodes []node) (a vitals, next []node, err error) {
	nodes = hostless(l.t, nodes)
	answers := make([]vitals, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			// Nothing else that goes over T would introduce it to a new primary
			// before its heartbeat has been answered.
			c, err := nodeOf(ctx, l.t, n.addr, n.key)
			if err == nil {
				answers[i], err = p.askOne(ctx, c, n)
			}
			if m := answers[i].slots; m != nil && !serves(m, p.client.canonical(n.addr)) {
				err = nil
			}
			if errors.Is(err, errDemoted) { // it is one by its own map: its address leads elsewhere
				p.client.conns.Redial(n.addr)
			}
			p.client.breakers.beatOf(n.addr, err)
			errs[i] = err
		})
	}
	wg.Wait()
	maps := make(map[string][]slotRange, len(nodes))
	leaving := make(map[string]bool)
	for i, n := range answers {
		a.noInfo = firstOf(a.noInfo, n.noInfo)
		a.ms, a.ids, a.leaks = max(a.ms, n.ms), append(a.ids, n.ids...), a.leaks || n.leaks
		a.tests = append(a.tests, n.tests...)
		a.epoch = max(a.epoch, n.epoch)
		if n.slots != nil && !isClusterDown(errs[i]) { // such a node is cut off from the others
			maps[p.client.canonical(nodes[i].addr)] = n.slots
		}
		if _, ask, _ := sentElsewhere(errs[i]); ask {
			leaving[nodes[i].addr] = true
		}
	}
	if next = p.primaries(nodes, maps, leaving); len(next) > 0 {
		p.learn(maps, a.epoch, next)
	}
	return a, next, oneline.Join(errs...)
}

// learn makes all copies suspect if a slot map has changed, and has the breakers follow.
func (p *pulse) learn(maps map[string][]slotRange, epoch int64, primaries []node) {
	first := p.topology.known() == nil
	if !p.topology.learn(maps, epoch, primaries) {
		return
	}
	if !first {
		p.client.watchers.tellAll()
	}
	var served []slotRange // by whom, as each says of itself
	for addr, ranges := range maps {
		for _, r := range ranges {
			if r.addr == addr {
				served = append(served, r)
			}
		}
	}
	p.client.breakers.learn(served)
}

// primaries returns those that serve slots according to one of maps, which are by the
// address of the node that has answered with them. known are those that have keys already,
// leaving those of them whose key is in a slot that is being moved.
func (p *pulse) primaries(known []node, maps map[string][]slotRange, leaving map[string]bool) (nodes []node) {
	claims := make(map[string][]slotRange)
	for addr, ranges := range maps {
		for _, r := range ranges {
			if r.addr == addr || !serves(maps[r.addr], r.addr) { // a node knows best what it serves
				claims[r.addr] = append(claims[r.addr], r)
			}
		}
	}
	key := p.ownKey()
	for addr, ranges := range claims {
		i := slices.IndexFunc(known, func(n node) bool { return n.addr == addr })
		switch {
		case strings.Contains(key, "{") && holds(ranges, slotOfTagged(key)) && !leaving[addr]:
			nodes = append(nodes, node{addr: addr, key: key}) // no other node has keys with this prefix
		case i >= 0 && strings.HasPrefix(known[i].key, untagged(key)) && holds(ranges, slotOfTagged(known[i].key)) && !leaving[addr]:
			nodes = append(nodes, known[i])
		case i >= 0 && slotOfTagged(known[i].key) == ranges[0].first:
			nodes = append(nodes, node{addr: addr, key: keyInSlot(key, ranges[len(ranges)-1].last)})
		default:
			nodes = append(nodes, node{addr: addr, key: keyInSlot(key, ranges[0].first)})
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.addr, b.addr) })
	return nodes
}

// hostless adds the nodes that rueidis also knows by an address without a host, because one
// has redirected it so: it has a connection of its own to that address.
func hostless(t rueidis.Client, nodes []node) []node {
	known := t.Nodes()
	for _, n := range nodes {
		if _, port, _ := net.SplitHostPort(n.addr); known[":"+port] != nil && n.addr != ":"+port {
			nodes = append(nodes, node{addr: ":" + port, key: n.key})
		}
	}
	return nodes
}

func isClusterDown(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && reply.IsClusterDown()
}

// holds reports whether slot is in one of ranges.
func holds(ranges []slotRange, slot uint16) bool {
	return slices.ContainsFunc(ranges, func(r slotRange) bool { return r.first <= slot && slot <= r.last })
}

// keyInSlot returns key with a hash tag that puts it into slot.
func keyInSlot(key string, slot uint16) string {
	for i := 0; ; i++ {
		tag := decimal(int64(i))
		if slotOf(tag) == slot {
			return untagged(key) + "{" + tag + "}"
		}
	}
}

// untagged returns key, or if it may have a hash tag another one that has none.
func untagged(key string) string {
	if strings.Contains(key, "{") {
		return anyPulse
	}
	return key
}
