package redisstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/redis/rueidis"
)

// Vitals are what a beat learned of the primaries.
type vitals struct {
	ms     int64    // the time of the primary whose clock is most ahead
	ids    []string // of the data of each primary; empty if that is not told
	noInfo error    // not nil: one does not tell which data it has
	leaks  bool     // one may have dropped keys from its table without a word

	exchanged int64 // how often the data was exchanged: see exchanges

	slots []slotRange // of a node of a cluster: the slot map as this node knows it; else nil
	epoch int64       // of the cluster, as it knows it; 0 if that is not told
	tests []node      // whose pushes can be tested: see [pushTests]
}

// ask writes to every primary over T. With both it makes sure that W leads to the
// same ones: in a cluster both go where the map of the slots says.
func (p *pulse) ask(ctx context.Context, both bool) (a vitals, err error) {
	l, err := p.client.connected(ctx)
	if err != nil {
		return a, err
	}
	if l.t.Mode() == rueidis.ClientModeCluster {
		return p.askCluster(ctx, l)
	}
	if both {
		a, err = p.askBoth(ctx, l)
	} else {
		a, err = p.askOne(ctx, l.t, node{key: p.ownKey()})
	}
	if errors.Is(err, errDemoted) || errors.Is(err, errApart) {
		p.client.conns.Redial("") // the address may lead to the new primary by now
	}
	return a, err
}

// askOne asks one primary; in a cluster it has an address. It also looks whether its table
// of the keys that are tracked, which broadcasts do without, is so full that it may have
// dropped some: see [crowded].
func (p *pulse) askOne(ctx context.Context, c rueidis.Client, n node) (a vitals, err error) {
	defer func() { err = markRefused(err) }()
	for range p.client.turns() - 1 {
		// An error reply comes again below, together with its cause.
		if err := c.Do(ctx, c.B().Arbitrary("DEL").Keys(n.key).Build()).NonRedisError(); err != nil {
			return a, err
		}
	}
	untracked := p.client.maxStale > 0
	perKey := len(p.client.broadcast) == 0 && !untracked
	if !untracked {
		p.pushes.add(n)
	}
	r := c.DoMulti(ctx, p.questions(c, n, perKey)...)
	if n.addr != "" {
		if a.slots, err = mapOf(p.client.canonical(n.addr), r[len(r)-1]); err != nil {
			return a, err
		}
		if info, err := r[len(r)-2].ToString(); err == nil { // it may not be permitted
			a.epoch = statOf(info, "cluster_current_epoch")
		}
	}
	id, err := primaryID(r[2])
	if err != nil {
		return a, err
	}
	a.ids = []string{id}
	if a.noInfo = r[2].Error(); id != "" {
		a.noInfo = nil
	}
	if err := r[0].Error(); redisdial.IsReadOnly(err) { // INFO may not be permitted
		return a, errDemoted
	} else if err != nil {
		return a, err
	}
	t, err := r[1].AsIntSlice()
	switch {
	case untracked && lacks(err): // without TIME each read asks for the life of the key
	case err != nil || len(t) != 2:
		return a, oneline.Join(err, errBadReply)
	default:
		a.ms = t[0]*1000 + t[1]/1000
	}
	if n.addr == "" {
		a.exchanged = exchanges(r[len(r)-1])
	}
	if untracked {
		return a, nil
	}
	a.leaks = perKey && crowded(r[3], r[4])
	if a.leaks || perKey && p.evicted(n.key, r[3]) {
		p.client.watchers.tellAll()
	} else if p.testable(n, r) {
		a.tests = []node{n}
	}
	return a, nil
}

// questions returns the commands of a heartbeat of n: DEL, TIME, INFO, where keys are
// tracked one by one the state of the table and a read of the test key. Last come in a
// cluster the epoch and the slot map, elsewhere how often commands were called. INFO is
// asked for one section at a time, for Redis 6.
func (p *pulse) questions(c rueidis.Client, n node, perKey bool) []rueidis.Completed {
	q := []rueidis.Completed{
		c.B().Arbitrary("DEL").Keys(n.key).Build(),
		c.B().Arbitrary("TIME").Build(),
		c.B().Arbitrary("INFO", "replication").Build(),
	}
	if perKey {
		q = append(q, c.B().Arbitrary("INFO", "stats").Build(), c.B().Arbitrary("CONFIG", "GET", "tracking-table-max-keys").Build(),
			c.B().Arbitrary("GET").Keys(testKey(n)).Build())
	}
	if n.addr != "" {
		return append(q, c.B().ClusterInfo().Build(), c.B().ClusterSlots().Build())
	}
	return append(q, c.B().Arbitrary("INFO", "commandstats").Build())
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
