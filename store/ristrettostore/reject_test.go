//go:build !race

package ristrettostore_test

// Under the race detector sync.Pool drops at random, and with it the engine
// all that it is to know about which keys are asked for: it refuses nothing.

import (
	"fmt"
	"testing"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

// The engine says that it took what it goes on to refuse.
func TestTrap_silentRejection(t *testing.T) {
	const room = 100
	engine := openBare(t, ristretto.Config[string, *bare]{MaxCost: room, IgnoreInternalCost: true})
	b := open(t, room)
	s := ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(string, *store.Entry[int]) int64 { return 1 },
	})
	for i := range room {
		engine.Set(fmt.Sprint(i), &bare{}, 0)
		set(t, s, fmt.Sprint(i), i)
	}
	engine.Wait()
	b.Settle()
	for range 100 { // what is there is hot
		for i := range room {
			engine.Get(fmt.Sprint(i))
			get(t, s, fmt.Sprint(i))
		}
	}
	refused := 0
	const cold = 1000
	for i := range cold {
		if engine.Set(fmt.Sprint("cold ", i), &bare{}, 0) {
			engine.Wait()
			if _, ok := engine.Get(fmt.Sprint("cold ", i)); !ok {
				refused++
			}
		}
		set(t, s, fmt.Sprint("cold ", i), i)
		b.Settle()
	}
	if refused == 0 {
		t.Error("control: the bare engine keeps all that it says it took")
	}
	st := stats(t, s)
	kept := 0
	for i := range cold {
		if _, ok := get(t, s, fmt.Sprint("cold ", i)); ok {
			kept++
		}
	}
	if st.Rejected == 0 || st.Rejected+st.Evictions+uint64(st.Entries) != room+cold {
		t.Errorf("of %d entries: %d rejected, %d evicted, %d held", room+cold, st.Rejected, st.Evictions, st.Entries)
	}
	t.Logf("refused: %d by the bare engine, %d here", refused, st.Rejected)
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}
