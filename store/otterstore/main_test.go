package otterstore_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/lokroom/strata/store/otterstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// open returns a budget that is closed at the end of the test.
func open(t testing.TB, bytes int64) *otterstore.Budget {
	t.Helper()
	b, err := otterstore.NewBudget(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
