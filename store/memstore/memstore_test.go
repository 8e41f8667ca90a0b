package memstore_test

import (
	"testing"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

const tooLarge = 2 << 20

type value = storetest.Value

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) store.Store[value] { return memstore.New[value](nil) },
		Close: func(s store.Store[value]) {
			if err := s.(*memstore.Store[value]).Close(); err != nil {
				panic(err)
			}
		},
		Peer:          func(_ testing.TB, s store.Store[value]) store.Store[value] { return s.(*memstore.Store[value]).Peer() },
		KeepsLoadedAt: true,
		Want: []storetest.Capability{
			storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter, storetest.PatternDeleter,
			storetest.Clearer, storetest.Pinger, storetest.Reporter, storetest.Watcher, storetest.Filler, storetest.Reviser,
			storetest.HitSampler, storetest.HotKeeper,
		},
	})
}

func TestShared_conformance(t *testing.T) {
	type shared = *memstore.Shared[value]
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) store.Store[value] {
			s := memstore.NewShared[value](nil)
			s.Limit(func(_ string, v value) error {
				if len(v.Bytes) >= tooLarge {
					return store.ErrTooLarge
				}
				return nil
			})
			return s
		},
		Close: func(s store.Store[value]) {
			if err := s.(shared).Close(); err != nil {
				panic(err)
			}
		},
		Peer: func(_ testing.TB, s store.Store[value]) store.Store[value] { return s.(shared).Peer() },
		Disconnect: func(s store.Store[value]) (reconnect func()) {
			s.(shared).Disconnect()
			return s.(shared).Reconnect
		},
		Rollback:      func(s store.Store[value]) { s.(shared).Snapshot()() },
		KeepsLoadedAt: true,
		TooLarge:      tooLarge,
		Want:          storetest.Capabilities(),
	})
}
