package memstore_test

import (
	"testing"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) store.Store[storetest.Value] { return memstore.New[storetest.Value](nil) },
		Close: func(s store.Store[storetest.Value]) {
			if err := s.(*memstore.Store[storetest.Value]).Close(); err != nil {
				panic(err)
			}
		},
		Peer: func(_ testing.TB, s store.Store[storetest.Value]) store.Store[storetest.Value] {
			return s.(*memstore.Store[storetest.Value]).Peer()
		},
		KeepsLoadedAt: true,
		Want: []storetest.Capability{
			storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter, storetest.PatternDeleter,
			storetest.Clearer, storetest.Tagger, storetest.Pinger, storetest.Reporter, storetest.Watcher, storetest.Filler, storetest.Reviser,
			storetest.Refresher, storetest.HitSampler, storetest.HotKeeper,
		},
	})
}
