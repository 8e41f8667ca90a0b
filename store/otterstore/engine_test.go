package otterstore_test

import (
	"testing"

	"github.com/lokroom/strata/internal/enginetest"
	"github.com/lokroom/strata/store/otterstore"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, &enginetest.Engine{
		NewBudget: func(bytes int64) (enginetest.Budget, error) { return otterstore.NewBudget(bytes) },
		Sweeps:    true,
		Ints:      view[int], Texts: view[string], Bytes: view[[]byte], Lists: view[[]int],
		Listings: view[*enginetest.Listing], Versions: view[enginetest.Versioned],
	})
}

func view[T any](b enginetest.Budget, cost enginetest.Cost[T]) enginetest.View[T] {
	return otterstore.New(b.(*otterstore.Budget), &otterstore.Options[T]{Cost: cost})
}
