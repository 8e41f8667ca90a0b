package otelcache_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestEntryAge: the age of entries that leave the memory is recorded by its cause, for a part of
// them, in both engines, until stop is called.
func TestEntryAge(t *testing.T) {
	for _, engine := range []strata.Engine{strata.Otter, strata.Ristretto} {
		for cause, remove := range map[string]func(ctx context.Context, c *strata.Cache[int, string], id int) error{
			"replaced": func(ctx context.Context, c *strata.Cache[int, string], id int) error { return c.Set(ctx, 1, "v") },
			"invalidated": func(ctx context.Context, c *strata.Cache[int, string], id int) error {
				if err := c.Set(ctx, id, "v"); err != nil {
					return err
				}
				return c.Delete(ctx, id)
			},
			"expired": func(ctx context.Context, c *strata.Cache[int, string], id int) error {
				if err := c.SetFor(ctx, id, "v", time.Millisecond); err != nil {
					return err
				}
				for id := range id {
					c.Get(ctx, id) // nothing is loaded
				}
				return nil
			},
			"evicted": func(ctx context.Context, c *strata.Cache[int, string], id int) error {
				return c.Set(ctx, id, strings.Repeat("v", 10_000))
			},
		} {
			t.Run(fmt.Sprint(engine, " ", cause), func(t *testing.T) {
				m := newTelemetry(t)
				b := open(t, m, &strata.Config{Memory: 1 << 20, Engine: engine})
				c, err := strata.New[int, string](b, "c", nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				id, ages := 0, map[string]float64{}
				redistest.WaitFor(t, "an age", func() bool {
					for range 200 {
						if err := remove(t.Context(), c, id); err != nil {
							t.Fatal(err)
						}
						id++
					}
					for name, n := range m.series(t) {
						if strings.HasPrefix(name, "strata.cache.entry.age{") {
							ages[name] = n
						}
					}
					return len(ages) > 0
				})
				series := "strata.cache.entry.age{strata.cache.name=c,strata.cache.reason=" + cause + "}"
				if n := ages[series]; len(ages) != 1 || n == 0 || n > float64(id)/10 {
					t.Errorf("after %d removals: %v", id, ages)
				}
			})
		}
	}
}
