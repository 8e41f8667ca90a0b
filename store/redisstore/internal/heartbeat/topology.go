package heartbeat

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store/redisstore/internal/link"
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
	nodes []Node                      // the primaries, sorted by address
	maps  map[string][]link.SlotRange // the slot map of each primary, by its address
	epoch int64                       // the highest that one of them knows
}

// A Node is a primary of a cluster and a key that it serves.
type Node struct{ Addr, Key string }

// known returns the primaries of the last heartbeat.
func (t *topology) known() []Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes
}

// learn stores the slot maps that nodes have answered with, the epoch, and the primaries
// that they name, and reports whether anything differs from what was known.
func (t *topology) learn(maps map[string][]link.SlotRange, epoch int64, primaries []Node) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed = !slices.Equal(t.nodes, primaries) || epoch > t.epoch && !mutant.NoClusterEpoch.Load()
	t.epoch = max(t.epoch, epoch)
	next := make(map[string][]link.SlotRange, len(primaries))
	for _, n := range primaries {
		if old, ok := t.maps[n.Addr]; ok {
			next[n.Addr] = old
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
func (p *Heartbeat) askCluster(ctx context.Context, l *link.Pair) (a nodeStatus, err error) {
	nodes := p.topology.known()
	failed := false
	for range link.MaxTries {
		if len(nodes) == 0 {
			ranges, err := p.link.SlotMap(ctx, l.W)
			if err != nil {
				return a, err
			}
			nodes = p.primaries(nil, map[string][]link.SlotRange{"": ranges}, nil)
		}
		part, cancel := firstPart(ctx, failed)
		var next []Node
		a, next, err = p.askNodes(part, l, nodes)
		cancel()
		if err == nil && slices.Equal(nodes, next) || err != nil && failed {
			return a, err
		}
		nodes, failed = next, err != nil
	}
	if err == nil { // it changes all the time
		err = link.ErrReplaced
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
func (p *Heartbeat) askNodes(ctx context.Context, l *link.Pair, nodes []Node) (a nodeStatus, next []Node, err error) {
	nodes = hostless(l.T, nodes)
	answers := make([]nodeStatus, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			// Nothing else that goes over T would introduce it to a new primary
			// before its heartbeat has been answered.
			c, err := link.NodeOf(ctx, l.T, n.Addr, n.Key)
			if err == nil {
				answers[i], err = p.askOne(ctx, c, n)
			}
			if m := answers[i].slots; m != nil && !link.Serves(m, p.link.Canonical(n.Addr)) {
				err = nil
			}
			if errors.Is(err, link.ErrDemoted) { // it is one by its own map: its address leads elsewhere
				p.link.Conns.Redial(n.Addr)
			}
			p.link.Breakers.HeartbeatOf(n.Addr, err)
			errs[i] = err
		})
	}
	wg.Wait()
	maps := make(map[string][]link.SlotRange, len(nodes))
	leaving := make(map[string]bool)
	for i, n := range answers {
		a.noInfo = link.FirstOf(a.noInfo, n.noInfo)
		a.ms, a.ids, a.lossy = max(a.ms, n.ms), append(a.ids, n.ids...), a.lossy || n.lossy
		a.tests = append(a.tests, n.tests...)
		a.epoch = max(a.epoch, n.epoch)
		if n.slots != nil && !isClusterDown(errs[i]) { // such a node is cut off from the others
			maps[p.link.Canonical(nodes[i].Addr)] = n.slots
		}
		if _, ask, _ := link.SentElsewhere(errs[i]); ask {
			leaving[nodes[i].Addr] = true
		}
	}
	if next = p.primaries(nodes, maps, leaving); len(next) > 0 {
		p.learn(maps, a.epoch, next)
	}
	return a, next, oneline.Join(errs...)
}

// learn makes all copies suspect if a slot map has changed, and has the breakers follow.
func (p *Heartbeat) learn(maps map[string][]link.SlotRange, epoch int64, primaries []Node) {
	first := p.topology.known() == nil
	if !p.topology.learn(maps, epoch, primaries) {
		return
	}
	if !first {
		p.watchers.All()
	}
	var served []link.SlotRange // as each node reports of itself
	for addr, ranges := range maps {
		for _, r := range ranges {
			if r.Addr == addr {
				served = append(served, r)
			}
		}
	}
	p.link.Breakers.Learn(served)
}

// primaries returns those that serve slots according to one of maps, which are by the
// address of the node that has answered with them. known are those that have keys already,
// leaving those of them with a key in a slot that is being moved.
func (p *Heartbeat) primaries(known []Node, maps map[string][]link.SlotRange, leaving map[string]bool) (nodes []Node) {
	claims := make(map[string][]link.SlotRange)
	for addr, ranges := range maps {
		for _, r := range ranges {
			if r.Addr == addr || !link.Serves(maps[r.Addr], r.Addr) { // a node knows best what it serves
				claims[r.Addr] = append(claims[r.Addr], r)
			}
		}
	}
	key := p.ownKey()
	for addr, ranges := range claims {
		i := slices.IndexFunc(known, func(n Node) bool { return n.Addr == addr })
		switch {
		case strings.Contains(key, "{") && link.HoldsSlot(ranges, link.SlotOf(key)) && !leaving[addr]:
			nodes = append(nodes, Node{Addr: addr, Key: key}) // no other node has keys with this prefix
		case i >= 0 && strings.HasPrefix(known[i].Key, untagged(key)) && link.HoldsSlot(ranges, link.SlotOf(known[i].Key)) && !leaving[addr]:
			nodes = append(nodes, known[i])
		case i >= 0 && link.SlotOf(known[i].Key) == ranges[0].First:
			nodes = append(nodes, Node{Addr: addr, Key: KeyInSlot(key, ranges[len(ranges)-1].Last)})
		default:
			nodes = append(nodes, Node{Addr: addr, Key: KeyInSlot(key, ranges[0].First)})
		}
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.Addr, b.Addr) })
	return nodes
}

// hostless adds the nodes that rueidis also knows by an address without a host, because one
// has redirected it so: it has a connection of its own to that address.
func hostless(t rueidis.Client, nodes []Node) []Node {
	known := t.Nodes()
	for _, n := range nodes {
		if _, port, _ := net.SplitHostPort(n.Addr); known[":"+port] != nil && n.Addr != ":"+port {
			nodes = append(nodes, Node{Addr: ":" + port, Key: n.Key})
		}
	}
	return nodes
}

func isClusterDown(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && reply.IsClusterDown()
}

// KeyInSlot returns key with a hash tag that puts it into slot.
func KeyInSlot(key string, slot uint16) string {
	for i := 0; ; i++ {
		tag := strconv.Itoa(i)
		if link.SlotOfUntagged(tag) == slot {
			return untagged(key) + "{" + tag + "}"
		}
	}
}

// untagged returns key, or if it may have a hash tag another one that has none.
func untagged(key string) string {
	if strings.Contains(key, "{") {
		return anyKey
	}
	return key
}
