package memstore_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func TestStore_AddHot_fades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New[int](nil)
		for _, want := range []float64{8, 12, 14} {
			if err := s.AddHot(ctx, []store.Hot{{Key: "k", Reads: 8}}, 10); err != nil {
				t.Fatal(err)
			}
			got, err := s.ListHot(ctx, 1)
			if err != nil || len(got) != 1 || math.Abs(got[0].Reads-want) > 1e-6 {
				t.Errorf("got %v, %v; want %v reads", got, err, want)
			}
			time.Sleep(store.HotHalfLife)
		}
	})
}
