package integration_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
)

type value = storetest.Value

// patience is a timeout that a busy machine does not exceed.
const patience = 20 * time.Second

// Every in-process store over Redis, alone, as a cluster and with broadcast, passes the
// conformance suite.
func TestConformance(t *testing.T) {
	single := redistest.Start(t, nil)
	cluster := redistest.StartCluster(t, 3)
	for name, l1 := range l1s[value]() {
		for kind, addrs := range map[string][]string{"single": {single.Addr()}, "cluster": cluster.Addrs()} {
			t.Run(name+" over "+kind, func(t *testing.T) {
				conforms(t, name+":", l1, dialWith(t, redisstore.Dialer{Timeout: patience}, addrs...))
			})
		}
	}
	t.Run("broadcast", func(t *testing.T) {
		d := redisstore.Dialer{Timeout: patience, Broadcast: []string{"b:"}}
		conforms(t, "b:", l1s[value]()["otterstore"], dialWith(t, d, single.Addr()))
	})
	for name, addrs := range map[string][]string{"proxy": {redistest.StartUntracked(t, single.Addr()).Addr()}, "cluster": cluster.Addrs()} {
		t.Run("no tracking, "+name, func(t *testing.T) {
			d := redisstore.Dialer{Timeout: patience, NoTracking: true, MaxStale: 50 * time.Millisecond}
			conforms(t, "n:", l1s[value]()["otterstore"], dialWith(t, d, addrs...))
		})
	}
}

func conforms(t *testing.T, prefix string, l1 func(testing.TB) store.Store[value], client *redisstore.Client) {
	var n atomic.Int64
	open := func(t testing.TB) store.Store[value] {
		prefix := fmt.Sprintf("%s%d:", prefix, n.Add(1))
		return tiers(t, l1(t), redisstore.New(client, &redisstore.Options[value]{Prefix: prefix}), nil)
	}
	storetest.Run(t, storetest.Harness{
		Open:          open,
		Close:         func(s store.Store[value]) { s.(*layered.Store[value]).Close() },
		Neighbour:     func(t testing.TB, _ store.Store[value]) store.Store[value] { return open(t) },
		KeepsLoadedAt: true,
		ExpiryError:   500 * time.Millisecond, // Redis counts from when the command arrives: a busy machine takes that long
		TooLarge:      5 << 20,
		Want: []storetest.Capability{
			storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter,
			storetest.PatternDeleter, storetest.Clearer, storetest.Pinger, storetest.Reporter, storetest.Reviser,
		},
	})
}
