package integration_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
)

type value = storetest.Value

// Every in-process store over Redis, alone and as a cluster, is a store.
func TestConformance(t *testing.T) {
	single := redistest.Start(t, nil)
	cluster := redistest.StartCluster(t, 3)
	for name, l1 := range l1s[value]() {
		for kind, addrs := range map[string][]string{"single": {single.Addr()}, "cluster": cluster.Addrs()} {
			t.Run(name+" over "+kind, func(t *testing.T) {
				// In a cluster Clear waits for it.
				client, err := (&redisstore.Dialer{MaxUnheard: 300 * time.Millisecond}).Dial(rueidis.ClientOption{InitAddress: addrs})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(client.Close)
				var n atomic.Int64
				open := func(t testing.TB) store.Store[value] {
					prefix := fmt.Sprintf("%s:%d:", name, n.Add(1))
					return tiers(t, l1(t), redisstore.New(client, &redisstore.Options[value]{Prefix: prefix}), nil)
				}
				storetest.Run(t, storetest.Harness{
					Open:          open,
					Close:         func(s store.Store[value]) { s.(*layered.Store[value]).Close() },
					Neighbour:     func(t testing.TB, _ store.Store[value]) store.Store[value] { return open(t) },
					KeepsLoadedAt: true,
					ExpiryError:   100 * time.Millisecond, // Redis counts from when the command arrives
					TooLarge:      5 << 20,
					Want: []storetest.Capability{
						storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter,
						storetest.PatternDeleter, storetest.Clearer, storetest.Tagger, storetest.Pinger, storetest.Reporter,
					},
				})
			})
		}
	}
}
