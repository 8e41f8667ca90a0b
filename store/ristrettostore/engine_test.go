package ristrettostore_test

import (
	"fmt"
	"testing"

	"github.com/lokroom/strata/internal/enginetest"
	"github.com/lokroom/strata/store/ristrettostore"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, &enginetest.Engine{
		NewBudget: func(bytes int64) (enginetest.Budget, error) { return ristrettostore.NewBudget(bytes) },
		Ints:      view[int], Texts: view[string], Bytes: view[[]byte], Lists: view[[]int],
		Listings: view[*enginetest.Listing], Versions: view[enginetest.Versioned],
	})
}

func view[T any](b enginetest.Budget, cost enginetest.Cost[T]) enginetest.View[T] {
	return ristrettostore.New(b.(*ristrettostore.Budget), &ristrettostore.Options[T]{Cost: cost})
}

// Clear touches no entry: what was cleared is still in the budget.
func TestStore_Clear_leavesTheBudget(t *testing.T) {
	b := open(t, 8<<20)
	s := ristrettostore.New[int](b, nil)
	for i := range 1000 {
		set(t, s, fmt.Sprint(i), i)
	}
	b.Settle()
	before := b.Stats()
	if err := s.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if after := b.Stats(); before.Entries != 1000 || after != before {
		t.Errorf("the budget went from %+v to %+v", before, after)
	}
	b.Close()
	if st := b.Stats(); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("after Close: %+v", st)
	}
}
