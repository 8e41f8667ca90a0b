package layered

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// Intents that have ended cost later writes no lock; and one that outlives its hold sets nothing,
// even if its key was forgotten and another intent has begun.
func TestLocalIntents_end(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := New[int](memstore.New[int](nil), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		begin := func(key string) *WriteIntent[int] {
			w, err := s.BeginWrite(ctx, time.Minute, key)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		late := begin("k")
		time.Sleep(2 * time.Minute)
		var others []*WriteIntent[int]
		for i := range 200 {
			others = append(others, begin(fmt.Sprint(i)))
		}
		next := begin("k")
		if err := late.CommitSet(ctx, map[string]store.Entry[int]{"k": {Value: 1}}); err != nil {
			t.Fatal(err)
		}
		if e, err := s.Get(ctx, "k"); err == nil {
			t.Errorf("an intent that was overtaken left %d", e.Value)
		}
		for _, w := range append(others, next) {
			if err := w.Commit(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.localIntents.open.Load(); n != 0 {
			t.Errorf("%d keys have intents after all have ended", n)
		}
	})
}
