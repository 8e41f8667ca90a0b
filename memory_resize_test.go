package strata_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

func TestBackend_SetMemory(t *testing.T) {
	for _, engine := range []strata.Engine{strata.Otter, strata.Ristretto} {
		b := backend(t, &strata.Config{Engine: engine, Memory: 8 << 20})
		c, err := strata.New[int, string](b, "c", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, memory := range []int64{8 << 20, 2 << 20, 4 << 20} {
			if err := b.SetMemory(memory); err != nil {
				t.Fatal(err)
			}
			// Ristretto makes room in the background, and only for new entries.
			redistest.WaitFor(t, fmt.Sprintf("%v to fit into %d bytes", engine, memory), func() bool {
				for i := range 10_000 {
					if err := c.Set(t.Context(), i, strings.Repeat("x", 1000)); err != nil {
						t.Fatal(err)
					}
				}
				return c.Stats().L1.Bytes <= memory+memory/4
			})
			if l1 := c.Stats().L1; l1.MaxBytes != memory {
				t.Errorf("%v: MaxBytes is %d, want %d", engine, l1.MaxBytes, memory)
			}
		}
		if err := b.SetMemory(1000); !errors.Is(err, store.ErrRefused) {
			t.Errorf("%v: SetMemory(1000): %v", engine, err)
		}
	}
	if err := backend(t, &strata.Config{Memory: -1}).SetMemory(8 << 20); !errors.Is(err, store.ErrRefused) {
		t.Errorf("without L1: %v", err)
	}
}
