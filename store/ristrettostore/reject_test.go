//go:build !race

package ristrettostore_test

// Under the race detector sync.Pool drops at random, and with it the engine
// all that it is to know about which keys are asked for: it refuses nothing.

import (
	"fmt"
	"runtime"
	"testing"
	"time"

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
	// The engine learns what is hot when it finds the time, so go on until it has.
	refused, cold := 0, 0
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		for range 100 {
			for i := range room {
				engine.Get(fmt.Sprint(i))
				get(t, s, fmt.Sprint(i))
			}
			runtime.Gosched()
		}
		for range 100 {
			key := fmt.Sprint("cold ", cold)
			cold++
			took := engine.Set(key, &bare{}, 0)
			engine.Wait()
			if _, ok := engine.Get(key); took && !ok {
				refused++
			}
			set(t, s, key, cold)
			b.Settle()
		}
		if refused > 0 && stats(t, s).Rejected > 0 {
			break
		}
		for i := range room { // they may have been pushed out
			engine.Set(fmt.Sprint(i), &bare{}, 0)
			engine.Wait()
			if _, ok := get(t, s, fmt.Sprint(i)); !ok {
				set(t, s, fmt.Sprint(i), i)
				b.Settle()
			}
		}
	}
	if refused == 0 {
		t.Error("control: the bare engine keeps all that it says it took")
	}
	st := stats(t, s)
	if st.Rejected == 0 || st.Rejected+st.Evictions+uint64(st.Entries) != st.Sets {
		t.Errorf("of %d entries: %d rejected, %d evicted, %d held", st.Sets, st.Rejected, st.Evictions, st.Entries)
	}
	t.Logf("refused: %d by the bare engine, %d here", refused, st.Rejected)
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}
