package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// Values that Redis does not accept are returned, and the copies in L1 of all other values
// stay usable.
func TestSizeLimit_readersKeepTheirConnection(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"proto-max-bulk-len 1mb"}})
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var loads atomic.Int64
	c, err := strata.New(b, "pages", func(_ context.Context, id int) (string, error) {
		loads.Add(1)
		if id < 0 {
			return "small", nil
		}
		return strings.Repeat("x", 2<<20), nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(id, size int) {
		t.Helper()
		if v, err := c.Get(t.Context(), id); err != nil || len(v) != size {
			t.Fatalf("Get(%d) returned %d bytes, %v", id, len(v), err)
		}
	}
	get(-1, 5)
	lost := c.Stats().Lost
	for i := range 50 {
		get(i%5, 2<<20)
	}
	if err := c.Set(t.Context(), 7, strings.Repeat("x", 2<<20)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Set returned %v, want ErrTooLarge", err)
	}
	before := loads.Load()
	get(-1, 5)
	if n := c.Stats().Lost - lost; n != 0 || loads.Load() != before {
		t.Errorf("the connection was lost %d times", n)
	}
}
