package layered_test

import (
	"io"
	"testing"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

// The compositions over memstores; those over the real backends are in
// internal/integration.
func TestConformance(t *testing.T) {
	type value = storetest.Value
	for name, mem := range map[string]struct{ l1, l2 bool }{
		"two tiers": {true, true}, "L1 only": {true, false}, "L2 only": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				Open: func(t testing.TB) store.Store[value] {
					var l1, l2 store.Store[value]
					if mem.l1 {
						l1 = memstore.New[value](nil)
					}
					if mem.l2 {
						l2 = memstore.NewShared[value](nil)
					}
					s, err := layered.New(l1, l2, nil)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { s.Close() })
					return s
				},
				Close:         func(s store.Store[value]) { s.(io.Closer).Close() },
				KeepsLoadedAt: true,
				Want: []storetest.Capability{
					storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.Counter,
					storetest.PatternDeleter, storetest.Clearer, storetest.Pinger, storetest.Reporter, storetest.Reviser,
				},
			})
		})
	}
}
