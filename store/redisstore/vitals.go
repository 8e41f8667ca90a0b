package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/redis/rueidis"
)

// Vitals are what a beat learned of the primaries.
type vitals struct {
	ms    int64    // the time of the primary whose clock is most ahead
	ids   []string // of the data of each primary; empty if that is not told
	leaks bool     // one may have dropped keys from its table without a word
}

// ask writes to every primary over T. With both it makes sure that W leads to the
// same ones: in a cluster both go where the map of the slots says.
func (p *pulse) ask(ctx context.Context, both bool) (a vitals, err error) {
	l, err := p.client.connected(ctx)
	if err != nil {
		return a, err
	}
	switch {
	case l.t.Mode() == rueidis.ClientModeCluster:
		return p.askCluster(ctx, l)
	case both:
		return p.askBoth(ctx, l)
	}
	return p.askOne(ctx, l.t, p.key)
}

// askOne asks one primary. It also looks whether its table of the keys that are
// tracked, which broadcasts do without, is so full that it may have dropped some:
// see [crowded].
func (p *pulse) askOne(ctx context.Context, c rueidis.Client, key string) (a vitals, err error) {
	del := c.B().Arbitrary("DEL").Keys(key).Build().Pin()
	for range p.client.turns() - 1 {
		if err := c.Do(ctx, del).Error(); err != nil {
			return a, err
		}
	}
	// INFO is asked for one section at a time, for Redis 6.
	ask := []rueidis.Completed{del, c.B().Arbitrary("TIME").Build(), c.B().Arbitrary("INFO", "replication").Build()}
	perKey := len(p.client.broadcast) == 0
	if perKey {
		ask = append(ask, c.B().Arbitrary("INFO", "stats").Build(), c.B().Arbitrary("CONFIG", "GET", "tracking-table-max-keys").Build())
	}
	r := c.DoMulti(ctx, ask...)
	id, err := primaryID(r[2])
	if err != nil {
		return a, err
	}
	if err := r[0].Error(); err != nil {
		return a, err
	}
	t, err := r[1].AsIntSlice()
	if err != nil || len(t) != 2 {
		return a, oneline.Join(err, errBadReply)
	}
	leaks := perKey && crowded(r[3], r[4])
	if leaks || perKey && p.evicted(key, r[3]) {
		p.client.watchers.tellAll()
	}
	return vitals{ms: t[0]*1000 + t[1]/1000, ids: []string{id}, leaks: leaks}, nil
}

const (
	// mostTracked is how many keys Redis tracks unless it is told otherwise.
	mostTracked = 1_000_000

	// fewTracked is what may come into a table between two beats.
	fewTracked = 10_000
)

// crowded reports whether the server tracks half as many keys as it may, or more, or may
// track so few that this could become so at any moment.
//
// When it tracks too many it drops one and pushes that it may have changed, but not
// to the connection whose command made it too many, if that has NOLOOP (Redis 7,
// trackingInvalidateKey). So a full table may have lost any key without a word. A
// large one cannot fill from the half in the time between two beats.
func crowded(info, conf rueidis.RedisResult) bool {
	text, err := info.ToString()
	if err != nil { // not permitted: the table is taken to be large enough
		return false
	}
	most := int64(mostTracked)
	if m, err := conf.AsStrMap(); err == nil {
		if n, err := strconv.ParseInt(m["tracking-table-max-keys"], 10, 64); err == nil {
			most = n
		}
	}
	return most > 0 && (most < 2*fewTracked || statOf(text, "tracking_total_keys") >= most/2)
}

// A node is a primary of a cluster and a key of its own.
type node struct{ addr, key string }

// askCluster asks every primary. Where the map of the slots is out of date, it
// gets a new one, once.
func (p *pulse) askCluster(ctx context.Context, l *links) (a vitals, err error) {
	p.mu.Lock()
	nodes := p.slots
	p.mu.Unlock()
	for try := 0; ; try++ {
		if len(nodes) > 0 {
			first, cancel := firstPart(ctx, try)
			a, err := p.askNodes(first, l, nodes)
			cancel()
			if err == nil || try == 1 {
				return a, err
			}
		}
		ranges, err := p.client.slotsOf(ctx, l.w)
		if err != nil {
			return a, err
		}
		p.client.breakers.learn(ranges)
		nodes = p.primaries(ranges)
		p.mu.Lock()
		p.slots = nodes
		p.mu.Unlock()
	}
}

// firstPart leaves half of the time of the first try for another one: a primary that
// hangs may have been replaced.
func firstPart(ctx context.Context, try int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || try > 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

func (p *pulse) askNodes(ctx context.Context, l *links, nodes []node) (a vitals, err error) {
	answers := make([]vitals, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			// Nothing else that goes over T would introduce it to a new primary
			// before that is heard of.
			c, err := nodeOf(ctx, l.t, n.addr, n.key)
			if err == nil {
				answers[i], err = p.askOne(ctx, c, n.key)
			}
			p.client.breakers.beatOf(n.addr, err)
			errs[i] = err
		})
	}
	wg.Wait()
	for _, n := range answers {
		a.ms, a.ids, a.leaks = max(a.ms, n.ms), append(a.ids, n.ids...), a.leaks || n.leaks
	}
	return a, oneline.Join(errs...)
}

// primaries returns those that serve ranges.
func (p *pulse) primaries(ranges []slotRange) (nodes []node) {
	for _, r := range ranges {
		if !slices.ContainsFunc(nodes, func(n node) bool { return n.addr == r.addr }) {
			nodes = append(nodes, node{addr: r.addr, key: keyInSlot(p.key, r.first)})
		}
	}
	return nodes
}

// keyInSlot returns key with a hash tag that puts it into slot.
func keyInSlot(key string, slot uint16) string {
	if strings.Contains(key, "{") {
		key = "!pulse"
	}
	for i := 0; ; i++ {
		tag := decimal(int64(i))
		if slotOf(tag) == slot {
			return key + "{" + tag + "}"
		}
	}
}
