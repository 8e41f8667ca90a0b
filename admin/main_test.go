package admin

import (
	"context"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/lokroom/strata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opened(t *testing.T, b *strata.Backend, name string) *strata.Cache[int, string] {
	t.Helper()
	c, err := strata.New(b, name, func(_ context.Context, id int) (string, error) { return strconv.Itoa(id), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
