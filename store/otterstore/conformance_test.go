package otterstore_test

import (
	"sync"
	"testing"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/storetest"
)

func TestConformance(t *testing.T) {
	var budgets sync.Map // of each store
	openIn := func(b *otterstore.Budget) store.Store[storetest.Value] {
		s := otterstore.New[storetest.Value](b, nil)
		budgets.Store(s, b)
		return s
	}
	budgetOf := func(s store.Store[storetest.Value]) *otterstore.Budget {
		b, _ := budgets.Load(s)
		return b.(*otterstore.Budget)
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t testing.TB) store.Store[storetest.Value] {
			return openIn(open(t, 16<<20))
		},
		Close: func(s store.Store[storetest.Value]) { budgetOf(s).Close() },
		Neighbour: func(_ testing.TB, s store.Store[storetest.Value]) store.Store[storetest.Value] {
			return openIn(budgetOf(s))
		},
		Want: []storetest.Capability{
			storetest.Expirer, storetest.PatternDeleter, storetest.Clearer, storetest.Reporter, storetest.HitSampler,
		},
	})
}
