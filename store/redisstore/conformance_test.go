package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
	"github.com/redis/rueidis"
)

// patience is the timeout of operations in tests that are not about timeouts.
const patience = 20 * time.Second

type value = storetest.Value

// A place is where the suite runs.
type place struct {
	option    func(t testing.TB) rueidis.ClientOption
	proxied   bool // each store has its own proxy before option's server
	broadcast bool
	untracked bool
	replicas  bool   // values are large, and read from replicas
	space     string // what the prefixes begin with
}

// An opened store, and what it was opened with.
type opened struct {
	*redisstore.Store[value]
	client *redisstore.Client
	prefix string
	line   *line
}

// A line is what leads from a store to its server.
type line struct {
	t     testing.TB
	proxy *redistest.Proxy // nil if the place is not proxied
}

// disconnect cuts the store off until reconnect is called.
func (l *line) disconnect() (reconnect func()) {
	l.proxy.Refuse(true)
	l.proxy.Cut()
	return func() { l.proxy.Refuse(false) }
}

// rollBack leads the store to another primary, which has older data: none.
func (l *line) rollBack() {
	l.proxy.Redirect(redistest.Start(l.t, nil).Addr())
	l.proxy.Cut()
}

// lead makes option lead through a proxy of its own, if the place has them.
func (p *place) lead(t testing.TB, option *rueidis.ClientOption) *line {
	t.Helper()
	if !p.proxied {
		return &line{t, nil}
	}
	proxy := redistest.StartProxy(t, option.InitAddress[0])
	option.InitAddress = []string{proxy.Addr()}
	return &line{t, proxy}
}

func (p *place) open(t testing.TB, prefix string) store.Store[value] {
	t.Helper()
	// In a cluster Clear waits for MaxDisconnected. With less than the default one, reads fail
	// on a busy machine, where heartbeats are late.
	d := &redisstore.Dialer{Timeout: patience, NoTracking: p.untracked, ReadReplicas: p.replicas}
	if p.broadcast {
		d.Broadcast = []string{prefix}
	}
	option := p.option(t)
	l := p.lead(t, &option)
	c := dialWith(t, d, option)
	o := &redisstore.Options[value]{Prefix: prefix}
	if p.replicas { // see TestReadReplicas_conformance
		o.Codec = padding{codec.Msgpack[value]()}
	}
	s := redisstore.New(c, o)
	if err := c.Sync(t.Context()); err != nil { // a node that is dialled first later on is notified as a loss
		t.Fatal(err)
	}
	view := opened{s, c, prefix, l}
	switch {
	case p.broadcast:
		return noFiller{view, nil}
	case p.untracked:
		return noWatcher{view, nil}
	}
	return view
}

func (o opened) resource() *redisstore.Client { return o.client }
func (o opened) redisPrefix() string          { return o.prefix }
func (o opened) lineOf() *line                { return o.line }

// noFiller hides Fill and Replace, which are never watched with broadcasts, which notify of
// every script, as with FillLeased: the ambiguous names take the methods away.
type noFiller struct {
	opened
	noFill
}

type noFill interface {
	Fill()
	Replace()
}

// noWatcher hides Watch: nobody is notified of the changes of other processes.
type noWatcher struct {
	opened
	noWatch
}

type noWatch interface{ Watch() }

type reachable interface {
	resource() *redisstore.Client
	redisPrefix() string
	lineOf() *line
}

func (p *place) harness() storetest.Harness {
	h := storetest.Harness{
		Open:  func(t testing.TB) store.Store[value] { return p.open(t, p.space+prefix()) },
		Close: func(s store.Store[value]) { s.(reachable).resource().Close() },
		Peer: func(t testing.TB, s store.Store[value]) store.Store[value] {
			return p.open(t, s.(reachable).redisPrefix())
		},
		Neighbour: func(t testing.TB, s store.Store[value]) store.Store[value] {
			return p.open(t, p.space+prefix())
		},
		KeepsLoadedAt: true,
		ExpiryError:   500 * time.Millisecond, // a round trip, on a busy machine
		TooLarge:      redisstore.DefaultMaxValueSize + 1,
		Want: []storetest.Capability{
			storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter, storetest.PatternDeleter,
			storetest.Clearer, storetest.Pinger, storetest.Reporter, storetest.Reviser, storetest.HotKeeper,
			storetest.Leaser, storetest.Writer,
			storetest.Tagger,
		},
	}
	if p.proxied {
		h.Disconnect = func(s store.Store[value]) (reconnect func()) { return s.(reachable).lineOf().disconnect() }
		h.Rollback = func(s store.Store[value]) { s.(reachable).lineOf().rollBack() }
	}
	if !p.untracked {
		h.Want = append(h.Want, storetest.Watcher)
	}
	if !p.untracked && !p.broadcast {
		h.Want = append(h.Want, storetest.Filler)
	}
	return h
}

func onServer(t testing.TB) rueidis.ClientOption { return to(server(t)) }

// behindProxy names a proxy that refuses what tracking needs, and more.
func behindProxy(t testing.TB) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: []string{redistest.StartUntracked(t, server(t).Addr()).Addr()}}
}

// onCluster names one node. With more, rueidis drops superfluous connections for
// a moment after the start, each with an All to the watchers.
func onCluster(t testing.TB) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: cluster(t).Addrs()[:1]}
}

func TestConformance(t *testing.T) {
	for name, p := range map[string]*place{
		"server":             {option: onServer, proxied: true},
		"cluster":            {option: onCluster},
		"broadcast":          {option: onServer, broadcast: true, proxied: true},
		"untracked":          {option: behindProxy, untracked: true},
		"untracked, cluster": {option: onCluster, untracked: true},
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, p.harness()) })
	}
}
