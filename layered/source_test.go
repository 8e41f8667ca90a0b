package layered_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// Load and LoadMany take each other's place, in the foreground and in the background.
func TestSource_oneLoaderSuffices(t *testing.T) {
	load := func(_ context.Context, key string) (store.Entry[int], error) {
		switch key {
		case "absent":
			return store.Entry[int]{}, store.ErrNotFound
		case "failing":
			return store.Entry[int]{}, errSource
		}
		return store.Entry[int]{Value: len(key)}, nil
	}
	many := func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
		found, errs := make(map[string]store.Entry[int]), make(map[string]error)
		for _, key := range ks {
			if e, err := load(ctx, key); err == nil {
				found[key] = e
			} else if !errors.Is(err, store.ErrNotFound) {
				errs[key] = err
			}
		}
		return found, store.NewManyError(errs)
	}
	keys := []string{"a", "bb", "absent", "failing"}
	check := func(t *testing.T, key string, f *layered.Found[int], err error) {
		t.Helper()
		var want error
		switch key {
		case "absent":
			want = store.ErrNotFound
		case "failing":
			want = errSource
		}
		if !errors.Is(err, want) || want == nil && f.Value != len(key) || (want == store.ErrNotFound) != f.Absent {
			t.Errorf("%s: got %+v, %v", key, f, err)
		}
	}
	for name, src := range map[string]layered.Source[int]{"Load": {Load: load}, "LoadMany": {LoadMany: many}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, _ := tiers(t, &layered.Options[int]{TTL: 100 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: -1})
				defer s.Close()
				for _, key := range keys {
					f, err := s.Find(t.Context(), key, src)
					check(t, key, &f, err)
				}
				if err := s.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.FindMany(t.Context(), keys, src, func(i int, f *layered.Found[int], err error) { check(t, keys[i], f, err) })
				time.Sleep(60 * time.Second)
				f, err := s.Find(t.Context(), "bb", src) // is due
				check(t, "bb", &f, err)
				synctest.Wait()
				if n := s.Counts().Refreshes; n != 1 {
					t.Errorf("%d refreshes, want 1", n)
				}
				if f, err := s.Refresh(t.Context(), "a", src); err != nil || f.Value != 1 {
					t.Errorf("refresh: got %+v, %v", f, err)
				}
			})
		})
	}
	s, _, _ := tiers(t, nil)
	if _, err := s.Refresh(t.Context(), "a", layered.Source[int]{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no loader: %v", err)
	}
}
