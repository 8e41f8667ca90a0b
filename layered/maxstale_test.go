package layered_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// Without tracking, L1 serves a copy for MaxStale after L2 confirmed it, and then asks L2.
func TestMaxStale(t *testing.T) {
	const maxStale = time.Second
	synctest.Test(t, func(t *testing.T) {
		memory := memstore.NewShared[int](&memstore.Options{MaxStale: maxStale})
		process := func() *layered.Store[int] {
			return open(t, memstore.New[int](nil), memory.Peer(), &layered.Options[int]{TTL: time.Hour, Jitter: -1, SampleEvery: -1})
		}
		one, two := process(), process()
		mustGet(t, one, "k", value(1))
		set := func(v int) {
			if err := two.Set(t.Context(), "k", store.Entry[int]{Value: v}); err != nil {
				t.Fatal(err)
			}
		}
		is := func(want int) {
			t.Helper()
			if got := mustGet(t, one, "k", mustNotLoad(t)); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		}
		for range 3 {
			set(2)
			is(1)
			time.Sleep(maxStale)
			is(2)
			set(1)
			is(2)
			time.Sleep(maxStale)
			is(1)
		}
	})
}
