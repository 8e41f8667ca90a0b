package redisstore_test

import (
	"context"
	"runtime"
	"testing"
	"time"

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
	option     func(t testing.TB) rueidis.ClientOption
	clientSide bool
	broadcast  bool
	untracked  bool
	cluster    bool
	space      string // what the prefixes begin with
}

// An opened store, and what it was opened with.
type opened struct {
	*redisstore.Store[value]
	client *redisstore.Client
	prefix string
}

func (p *place) open(t testing.TB, prefix string) store.Store[value] {
	t.Helper()
	d := &redisstore.Dialer{Timeout: patience}
	if p.cluster {
		// Clear waits for MaxUnheard. It is long enough for heartbeats that are late on a busy machine.
		d.MaxUnheard = 500 * time.Millisecond
	}
	if p.broadcast {
		d.Broadcast = []string{prefix}
	}
	if d.NoTracking = p.untracked; d.NoTracking {
		d.MaxUnheard = 0
	}
	c := dialWith(t, d, p.option(t))
	s := redisstore.New(c, &redisstore.Options[value]{Prefix: prefix, ClientSide: p.clientSide})
	if err := c.Sync(t.Context()); err != nil { // a node that is dialled first later on is told as a loss
		t.Fatal(err)
	}
	o := opened{s, c, prefix}
	switch {
	case p.clientSide, p.broadcast:
		return noFiller{o, nil}
	case p.untracked:
		return noWatcher{o, nil}
	}
	return o
}

func (o opened) resource() *redisstore.Client { return o.client }
func (o opened) redisPrefix() string          { return o.prefix }

// noFiller hides Fill and Replace, which are never watched with ClientSide, as its comment
// says, or with broadcasts, which notify of every script, as with FillLeased: the ambiguous
// names take the methods away.
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

// Get lets others run: answers from memory never wait, and readers that spin
// would starve the connections on a machine with few processors.
func (n noFiller) Get(ctx context.Context, key string) (store.Entry[value], error) {
	runtime.Gosched()
	return n.opened.Get(ctx, key)
}

type reachable interface {
	resource() *redisstore.Client
	redisPrefix() string
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
		},
	}
	if !p.untracked {
		h.Want = append(h.Want, storetest.Watcher, storetest.Stamper)
	}
	if !p.clientSide && !p.untracked && !p.broadcast {
		h.Want = append(h.Want, storetest.Filler, storetest.Refresher)
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
		"server":             {option: onServer},
		"cluster":            {option: onCluster, cluster: true},
		"client side":        {option: onServer, clientSide: true},
		"broadcast":          {option: onServer, broadcast: true},
		"untracked":          {option: behindProxy, untracked: true},
		"untracked, cluster": {option: onCluster, untracked: true, cluster: true},
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, p.harness()) })
	}
}
