package strata_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// DeleteTexts and ClearCaches invalidate in every process, and report caches that are not there.
func TestBackend_DeleteTexts(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		ctx, b := t.Context(), backend(t, cfg)
		n := 0
		load := func(context.Context, int) (int, error) { n++; return n, nil }
		x, err := strata.New(b, "x", load, nil)
		if err != nil {
			t.Fatal(err)
		}
		y, err := strata.New(b, "y", load, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strata.NewCounter[int](b, "z", 0); err != nil {
			t.Fatal(err)
		}
		text, err := x.Text(5)
		if text != "5" || err != nil {
			t.Fatalf("text %q, %v", text, err)
		}
		for what, f := range map[string]func() error{
			"DeleteTexts": func() error {
				return b.DeleteTexts(ctx, store.Hold{}, map[string][]string{"x": {"5"}, "y": {"5", "6"}})
			},
			"ClearCaches":      func() error { return b.ClearCaches(ctx, "x", "y") },
			"ClearCaches, all": func() error { return b.ClearCaches(ctx) },
			"a missing cache": func() error {
				return missing(b.DeleteTexts(ctx, store.Hold{}, map[string][]string{"x": {"5"}, "y": {"5", "6"}, "w": {"1"}}), "w")
			},
			"clear a counter's": func() error { return missing(b.ClearCaches(ctx, "x", "y", "z"), "z") },
		} {
			before := map[*strata.Cache[int, int]]int{}
			for _, c := range []*strata.Cache[int, int]{x, y} {
				if before[c], err = c.Get(ctx, 5); err != nil {
					t.Fatal(err)
				}
			}
			if err := f(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for c, old := range before {
				if v, err := c.Get(ctx, 5); v == old || err != nil {
					t.Errorf("%s: cache %s has the old value %d, %v", what, c.Name(), v, err)
				}
			}
		}
	})
}

// missing returns nil if err names the cache that is not there.
func missing(err error, cache string) error {
	if errors.Is(err, store.ErrNotFound) && strings.Contains(err.Error(), `no cache "`+cache+`"`) {
		return nil
	}
	return errors.Join(errors.New("want an error that names the cache"), err)
}
