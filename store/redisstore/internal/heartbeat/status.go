package heartbeat

import (
	"context"
	"errors"
	"strconv"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// A nodeStatus is what a heartbeat learned of the primaries.
type nodeStatus struct {
	ms     int64    // the time of the primary with the clock that is most ahead
	ids    []string // of the data of each primary; empty if that is missing
	noInfo error    // not nil: one does not report which data it has
	lossy  bool     // one may have dropped keys from its table without a word

	exchanged int64 // how often the data was exchanged: see exchanges

	slots []link.SlotRange // of a node of a cluster: the slot map as this node knows it; else nil
	epoch int64            // of the cluster, as it knows it; 0 if that is missing
	tests []Node           // with pushes that can be tested: see [pushTests]
}

// ask writes to every primary over T. With both it makes sure that W leads to the
// same ones: in a cluster both go where the map of the slots says.
func (p *Heartbeat) ask(ctx context.Context, both bool) (a nodeStatus, err error) {
	l, err := p.link.Connected(ctx)
	if err != nil {
		return a, err
	}
	if l.T.Mode() == rueidis.ClientModeCluster {
		return p.askCluster(ctx, l)
	}
	if both {
		a, err = p.askBoth(ctx, l)
	} else {
		a, err = p.askOne(ctx, l.T, Node{Key: p.ownKey()})
	}
	if errors.Is(err, link.ErrDemoted) || errors.Is(err, link.ErrApart) {
		p.link.Conns.Redial("") // the address may lead to the new primary by now
	}
	return a, err
}

// askOne asks one primary; in a cluster it has an address. It also looks whether its table
// of the keys that are tracked, which broadcasts do without, is so full that it may have
// dropped some: see [crowded].
func (p *Heartbeat) askOne(ctx context.Context, c rueidis.Client, n Node) (a nodeStatus, err error) {
	defer func() { err = markRefused(err) }()
	for range p.link.Turns() - 1 {
		// An error reply comes again below, together with its cause.
		if err := c.Do(ctx, c.B().Arbitrary("DEL").Keys(n.Key).Build()).NonRedisError(); err != nil {
			return a, err
		}
	}
	untracked := p.link.MaxStale > 0
	perKey := len(p.link.Broadcast) == 0 && !untracked
	if !untracked {
		p.pushes.add(n)
	}
	r := c.DoMulti(ctx, p.questions(c, n, perKey)...)
	if n.Addr != "" {
		if a.slots, err = link.SlotMap(p.link.Canonical(n.Addr), r[len(r)-1]); err != nil {
			return a, err
		}
		if info, err := r[len(r)-2].ToString(); err == nil { // it may not be permitted
			a.epoch = Stat(info, "cluster_current_epoch")
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
		return a, link.ErrDemoted
	} else if err != nil {
		return a, err
	}
	t, err := r[1].AsIntSlice()
	switch {
	case untracked && link.Lacks(err): // without TIME each read asks for the life of the key
	case err != nil || len(t) != 2:
		return a, oneline.Join(err, link.ErrBadReply)
	default:
		a.ms = t[0]*1000 + t[1]/1000
	}
	if n.Addr == "" {
		a.exchanged = exchanges(r[len(r)-1])
	}
	if untracked {
		return a, nil
	}
	a.lossy = perKey && crowded(r[3], r[4])
	if a.lossy || perKey && p.evicted(n.Key, r[3]) {
		p.watchers.All()
	} else if p.testable(n, r) {
		a.tests = []Node{n}
	}
	return a, nil
}

// questions returns the commands of a heartbeat of n: DEL, TIME, INFO, where keys are
// tracked one by one the state of the table and a read of the test key. Last come in a
// cluster the epoch and the slot map, elsewhere how often commands were called. INFO is
// asked for one section at a time, for Redis 6.
func (p *Heartbeat) questions(c rueidis.Client, n Node, perKey bool) []rueidis.Completed {
	q := []rueidis.Completed{
		c.B().Arbitrary("DEL").Keys(n.Key).Build(),
		c.B().Arbitrary("TIME").Build(),
		c.B().Arbitrary("INFO", "replication").Build(),
	}
	if perKey {
		q = append(q, c.B().Arbitrary("INFO", "stats").Build(), c.B().Arbitrary("CONFIG", "GET", "tracking-table-max-keys").Build(),
			c.B().Arbitrary("GET").Keys(testKey(n)).Build())
	}
	if n.Addr != "" {
		return append(q, c.B().ClusterInfo().Build(), c.B().ClusterSlots().Build())
	}
	return append(q, c.B().Arbitrary("INFO", "commandstats").Build())
}

const (
	// MostTracked is how many keys Redis tracks unless it is configured otherwise.
	MostTracked = 1_000_000

	// FewTracked is what may come into a table between two heartbeats.
	FewTracked = 10_000
)

// crowded reports whether the server tracks half as many keys as it may, or more, or may
// track so few that this could become so at any moment.
//
// When it tracks too many it drops one and pushes that it may have changed, but not
// to the connection of the command that made it too many, if that has NOLOOP (Redis 7,
// trackingInvalidateKey). So a full table may have lost any key without a word. A
// large one cannot fill from the half in the time between two heartbeats.
func crowded(info, conf rueidis.RedisResult) bool {
	text, err := info.ToString()
	if err != nil { // not permitted: the table is taken to be large enough
		return false
	}
	most := int64(MostTracked)
	if m, err := conf.AsStrMap(); err == nil {
		if n, err := strconv.ParseInt(m["tracking-table-max-keys"], 10, 64); err == nil {
			most = n
		}
	}
	return most > 0 && (most < 2*FewTracked || Stat(text, "tracking_total_keys") >= most/2)
}

// Turn returns when the pushes of every write that was answered before the call have
// been put on the connections of all that are to be notified. Without broadcasts they have.
func (p *Heartbeat) Turn(ctx context.Context) error {
	if len(p.link.Broadcast) == 0 {
		return nil
	}
	call, cancel := p.link.Deadlines.Begin(ctx)
	defer cancel()
	_, err := p.ask(call, false)
	return err
}

// Asks reports whether strict reads must ask for the last Clear and the tags, because Redis
// does not notify the client of every change of them.
func (p *Heartbeat) Asks() bool { return p.link.MaxStale > 0 || p.lossy.Load() }
