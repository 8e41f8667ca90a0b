package strata_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata"
)

// Values that BatchWindow loads together are all invalidated with the values that their
// load has read, not only the one of the first caller.
func TestCaptureDeps_window(t *testing.T) {
	ctx := t.Context()
	b, err := strata.Open(ctx, &strata.Config{CaptureDeps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	host := 1
	hosts, err := strata.New(b, "host", func(context.Context, int) (int, error) { return host, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	loads := 0
	pages, err := strata.New(b, "page", nil, &strata.Options[int, int]{
		BatchWindow: 10 * time.Second,
		BatchSize:   3, // which there are: nobody waits for the window to end
		LoadMany: func(ctx context.Context, ids []int) (map[int]int, error) {
			loads++
			h, err := hosts.Get(ctx, 7)
			pages := make(map[int]int)
			for _, id := range ids {
				if id != 3 { // of which there is none
					pages[id] = h
				}
			}
			return pages, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := func() (got [4]int) {
		var wg sync.WaitGroup
		for id := 1; id <= 3; id++ {
			wg.Go(func() { got[id], _ = pages.Get(ctx, id) })
		}
		wg.Wait()
		return got
	}
	if got := get(); got != [4]int{0, 1, 1, 0} {
		t.Fatalf("got %v", got)
	}
	before := loads
	if got := get(); got != [4]int{0, 1, 1, 0} || loads != before {
		t.Errorf("then %v, by %d loads more", got, loads-before)
	}
	host = 2
	if err := hosts.Delete(ctx, 7); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != [4]int{0, 2, 2, 0} {
		t.Errorf("after a change of what they were made of: %v", got)
	}
	if pages.Stats().Loads < 6 { // including the absent one
		t.Errorf("%d loads, want one for each id and time", pages.Stats().Loads)
	}
}
