package strata_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A value that is not modified gets the TTL of a loaded one, by TTLOf as well, and its age
// counts from then.
func TestOptions_Reload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backend(t, nil)
		defer b.Close()
		r, given := &repo{}, 0
		errBroken := errors.New("broken")
		answer := store.ErrNotModified
		c := listings(t, b, r, &strata.Options[int64, listing]{
			Jitter: -1, RefreshAhead: 0.5, StaleFor: time.Hour,
			TTLOf: func(id int64, v listing) time.Duration { return time.Duration(len(v.Title)) * time.Minute },
			Reload: func(_ context.Context, id int64, old store.Entry[listing]) (listing, error) {
				if given++; old.Value.ID != id || old.LoadedAt == 0 {
					t.Errorf("for %d it was given %+v", id, old)
				}
				return listing{}, answer
			},
		})
		ctx := t.Context()
		first, err := c.Get(ctx, 2) // its title has 9 letters
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if v, err := c.Get(ctx, 2); v != first || err != nil {
			t.Errorf("got %+v, %v", v, err)
		}
		synctest.Wait()
		e, err := c.GetEntry(ctx, 2)
		if err != nil || e.Value != first || e.Age != 0 || e.StaleAt.Until() != 9*time.Minute || e.Tier != layered.L1 {
			t.Errorf("got %+v, %v", e, err)
		}
		time.Sleep(10 * time.Minute) // it is stale
		answer = errBroken
		if e, err := c.GetEntry(ctx, 2); err != nil || e.Value != first || !e.Stale || !errors.Is(e.Cause, errBroken) {
			t.Errorf("where it fails: %+v, %v", e, err)
		}
		time.Sleep(5 * time.Second) // RetryAfter
		if found, err := c.GetMany(ctx, []int64{2, 3}); err != nil || len(found) != 2 {
			t.Errorf("got %v, %v", found, err)
		}
		if n := r.loads.Load(); given != 2 || n != 3 || c.Stats().NotModified != 1 {
			t.Errorf("%d reloads, %d loads", given, n)
		}
		answer = nil
		if v, err := c.Refresh(ctx, 3); v != (listing{}) || err != nil {
			t.Errorf("what Reload loads: %+v, %v", v, err)
		}
	})
}

func TestOptions_Reload_needsALoader(t *testing.T) {
	_, err := strata.New(backend(t, nil), "listing", nil, &strata.Options[int64, listing]{
		Reload: func(context.Context, int64, store.Entry[listing]) (listing, error) { return listing{}, nil },
	})
	if err == nil || !strings.Contains(err.Error(), "Reload") {
		t.Errorf("err = %v", err)
	}
}
