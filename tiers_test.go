package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A tierWrite is an operation of Cache.Tiers that stores the value 7 under the key "1".
type tierWrite func(t *testing.T, s *layered.Store[any]) error

// tierWrites are all such operations. Those that require a value find 5.
var tierWrites = map[string]tierWrite{
	"Set": func(t *testing.T, s *layered.Store[any]) error { return s.Set(t.Context(), "1", seven()) },
	"SetMany": func(t *testing.T, s *layered.Store[any]) error {
		return s.SetMany(t.Context(), map[string]store.Entry[any]{"1": seven()})
	},
	"SetNewer": func(t *testing.T, s *layered.Store[any]) error {
		kept, err := s.SetNewer(t.Context(), "1", seven())
		if err == nil && !kept {
			err = errors.New("not kept")
		}
		return err
	},
	"SetIfAbsent": func(t *testing.T, s *layered.Store[any]) error {
		return errors.Join(s.Delete(t.Context(), "1"), second(s.SetIfAbsent(t.Context(), "1", seven())))
	},
	"BeginWrite and CommitSet": func(t *testing.T, s *layered.Store[any]) error {
		b, err := s.BeginWrite(t.Context(), time.Minute, "1")
		if err != nil {
			return err
		}
		return b.CommitSet(t.Context(), map[string]store.Entry[any]{"1": seven()})
	},
	"GetOrLoad": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error { _, err := s.GetOrLoad(ctx, "1", loadSeven); return err })
	},
	"Find": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error {
			_, err := s.Find(ctx, "1", layered.Source[any]{Load: loadSeven})
			return err
		})
	},
	"FindFresh": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error {
			_, err := s.FindFresh(ctx, "1", layered.Source[any]{Load: loadSeven})
			return err
		})
	},
	"FindAfter": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error {
			_, err := s.FindAfter(ctx, "1", layered.Lookup[any]{}, layered.Source[any]{Load: loadSeven})
			return err
		})
	},
	"GetManyOrLoad": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error {
			_, err := s.GetManyOrLoad(ctx, []string{"1", "2"}, loadSevens)
			return err
		})
	},
	"FindMany": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) (err error) {
			s.FindMany(ctx, []string{"1", "2"}, layered.Source[any]{LoadMany: loadSevens}, func(_ int, _ *layered.Found[any], e error) { err = errors.Join(err, e) })
			return err
		})
	},
	"FindManyFresh": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) (err error) {
			s.FindManyFresh(ctx, []string{"1", "2"}, layered.Source[any]{LoadMany: loadSevens}, func(_ int, _ *layered.Found[any], e error) { err = errors.Join(err, e) })
			return err
		})
	},
	"Warm": func(t *testing.T, s *layered.Store[any]) error {
		return loadAbsent(t, s, func(ctx context.Context) error {
			_, err := s.Warm(ctx, []string{"1"}, layered.Source[any]{LoadMany: loadSevens})
			return err
		})
	},
	"Refresh": func(t *testing.T, s *layered.Store[any]) error {
		_, err := s.Refresh(t.Context(), "1", layered.Source[any]{Load: loadSeven})
		return err
	},
	"Refresh that finds the value unchanged": func(t *testing.T, s *layered.Store[any]) error {
		if err := s.Set(t.Context(), "1", seven()); err != nil {
			return err
		}
		_, err := s.Refresh(t.Context(), "1", layered.Source[any]{Load: loadSeven, Reload: func(context.Context, string, store.Entry[any]) (store.Entry[any], error) {
			return store.Entry[any]{}, store.ErrNotModified
		}})
		return err
	},
	"RefreshSoon": func(t *testing.T, s *layered.Store[any]) error {
		e, err := s.Get(t.Context(), "1")
		if err != nil {
			return err
		}
		s.RefreshSoon(t.Context(), "1", &e, layered.Source[any]{Load: loadSeven})
		redistest.WaitFor(t, "the value to be loaded in the background", func() bool {
			e, err := s.Get(t.Context(), "1")
			return err == nil && e.Value == 7
		})
		return nil
	},
}

func seven() store.Entry[any] { return store.Entry[any]{Value: 7, Tags: []string{"own"}} }

func loadSeven(context.Context, string) (store.Entry[any], error) { return seven(), nil }

func loadSevens(_ context.Context, ks []string) (map[string]store.Entry[any], error) {
	entries := make(map[string]store.Entry[any])
	for _, key := range ks {
		entries[key] = seven()
	}
	return entries, nil
}

// loadAbsent calls load when no value is cached.
func loadAbsent(t *testing.T, s *layered.Store[any], load func(context.Context) error) error {
	if err := s.Delete(t.Context(), "1"); err != nil {
		return err
	}
	return load(t.Context())
}

// noLoad is the loader of a source without values: they come through Tiers.
func noLoad(context.Context, int) (int, error) { return 0, store.ErrNotFound }

// tierOptions are Options that a test can recognize in the entry.
func tierOptions() *strata.Options[int, int] {
	return &strata.Options[int, int]{
		TTLOf:        func(id, v int) time.Duration { return time.Duration(id*v) * time.Hour },
		Tags:         func(id, v int) []string { return []string{fmt.Sprint("id ", id), fmt.Sprint("value ", v)} },
		RevisionOf:   func(id, v int) uint64 { return uint64(10*id + v) },
		StaleFor:     24 * time.Hour,
		Jitter:       -1,
		RefreshAhead: 0.9,
	}
}

// eachTiers runs f in memory and with Redis.
func eachTiers(t *testing.T, f func(t *testing.T, b *strata.Backend)) {
	server := redistest.Start(t, nil)
	for name, cfg := range map[string]strata.Config{"memory": {}, "Redis": {RedisURL: server.URL()}} {
		t.Run(name, func(t *testing.T) { f(t, backend(t, &cfg)) })
	}
}

// Options apply to a value written by any operation of Tiers: InvalidateTags finds it, and
// it has the TTL of TTLOf and its revision.
func TestTiers_optionsHold(t *testing.T) {
	eachTiers(t, func(t *testing.T, b *strata.Backend) {
		for name, write := range tierWrites {
			for _, tag := range []string{"id 1", "value 7", "own"} {
				t.Run(name+", "+tag, func(t *testing.T) {
					c, err := strata.New(b, "c", noLoad, tierOptions())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					ctx := t.Context()
					if err := c.Set(ctx, 1, 5); err != nil {
						t.Fatal(err)
					}
					if _, err := c.Get(ctx, 1); err != nil {
						t.Fatal(err)
					}
					if err := write(t, c.Tiers()); err != nil {
						t.Fatal(err)
					}
					e, err := c.GetEntry(ctx, 1)
					if err != nil || e.Value != 7 || e.Revision != 17 {
						t.Fatalf("GetEntry: %+v, %v", e, err)
					}
					if want := []string{"id 1", "value 7", "own"}; !slices.Equal(e.Tags, want) {
						t.Errorf("tags %q, want %q", e.Tags, want)
					}
					within(t, "fresh", e.StaleAt, 7*time.Hour)
					within(t, "kept", e.ExpiresAt, 31*time.Hour)
					if err := b.InvalidateTags(ctx, tag); err != nil {
						t.Fatal(err)
					}
					if v, err := c.Get(ctx, 1); !errors.Is(err, store.ErrNotFound) {
						t.Errorf("after InvalidateTags: %d, %v", v, err)
					}
				})
			}
		}
	})
}

// within checks that at is about d from now.
func within(t *testing.T, what string, at store.Time, d time.Duration) {
	t.Helper()
	if left := at.Sub(store.Now()); at == 0 || left > d || left < d-time.Minute {
		t.Errorf("%s for %v, want %v", what, left, d)
	}
}

// Fields set in an entry take precedence over Options.
func TestTiers_explicitFields(t *testing.T) {
	eachTiers(t, func(t *testing.T, b *strata.Backend) {
		o := tierOptions()
		o.AbsentFor = 2 * time.Hour
		c, err := strata.New(b, "c", noLoad, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, s := t.Context(), c.Tiers()
		like := s.NewEntry(7, store.Forever)
		for key, e := range map[string]store.Entry[any]{
			"1": {Value: 7, ExpiresAt: store.In(3 * time.Hour), Revision: 99},
			"2": {Absent: true},
			"3": {Absent: true, ExpiresAt: store.In(3 * time.Hour)},
			"4": like,
		} {
			if err := s.Set(ctx, key, e); err != nil {
				t.Fatal(err)
			}
		}
		one, err := c.GetEntry(ctx, 1)
		if err != nil || one.Revision != 99 || one.StaleAt != 0 {
			t.Errorf("an entry with an expiry and a revision: %+v, %v", one, err)
		}
		within(t, "an entry with an expiry", one.ExpiresAt, 3*time.Hour)
		for id, life := range map[int]time.Duration{2: 2 * time.Hour, 3: 3 * time.Hour} {
			e, err := c.GetEntry(ctx, id)
			if !errors.Is(err, store.ErrNotFound) || !e.Absent {
				t.Errorf("%d: %+v, %v", id, e, err)
			}
			within(t, fmt.Sprint("absent ", id), e.ExpiresAt, life)
		}
		if e, err := c.GetEntry(ctx, 4); err != nil || e.ExpiresAt != 0 || len(e.Tags) != 2 {
			t.Errorf("an endless entry: %+v, %v", e, err)
		}
	})
}

// idText cannot be parsed from its text.
type idText struct{ n int }

func (id idText) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id.n), 10), nil }

// A write with a key that is not an id of the functions in Options is an error, and changes
// nothing.
func TestTiers_keyOfNoID(t *testing.T) {
	eachTiers(t, func(t *testing.T, b *strata.Backend) {
		c, err := strata.New(b, "numbers", noLoad, tierOptions())
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		load := func(context.Context, string) (store.Entry[any], error) { return seven(), nil }
		for name, err := range map[string]error{
			"Set":       c.Tiers().Set(ctx, "one", seven()),
			"GetOrLoad": second(c.Tiers().GetOrLoad(ctx, "one", load)),
			"SetNewer":  second(c.Tiers().SetNewer(ctx, "one", seven())),
		} {
			if !errors.Is(err, store.ErrInvalidKey) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"SetMany":       c.Tiers().SetMany(ctx, map[string]store.Entry[any]{"one": seven(), "1": seven()}),
			"GetManyOrLoad": second(c.Tiers().GetManyOrLoad(ctx, []string{"one", "1"}, loadSevens)),
		} {
			many := store.AsManyError[string](err)
			if many == nil || len(many.Errors) != 1 || !errors.Is(many.Errors["one"], store.ErrInvalidKey) {
				t.Errorf("%s: %v", name, err)
			}
			if v, err := c.Get(ctx, 1); v != 7 || err != nil {
				t.Errorf("%s of another key: %d, %v", name, v, err)
			}
		}
		if _, err := c.Tiers().Get(ctx, "one"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
		texts, err := strata.New(b, "texts", nil, &strata.Options[idText, int]{Tags: func(idText, int) []string { return []string{"t"} }})
		if err != nil {
			t.Fatal(err)
		}
		if err := texts.Tiers().Set(ctx, "1", seven()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Set for an id without UnmarshalText: %v", err)
		}
		plain, err := strata.New(b, "plain", nil, &strata.Options[idText, int]{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := plain.Tiers().Set(ctx, "1", seven()); err != nil {
			t.Errorf("Set without functions: %v", err)
		}
	})
}

// Without Redis the value stays in memory: the caller may modify the value that it has
// passed, and a value that is set lives for L1TTL at most.
func TestTiers_inMemory(t *testing.T) {
	b := backend(t, &strata.Config{})
	c, err := strata.New(b, "c", nil, &strata.Options[string, []int]{
		TTL: time.Hour, L1TTL: time.Minute, Jitter: -1, Clone: func(v []int) []int { return slices.Clone(v) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, set := range map[string]func(v []int) error{
		"Cache.Set":       func(v []int) error { return c.Set(ctx, "k", v) },
		"Cache.SetMany":   func(v []int) error { return c.SetMany(ctx, map[string][]int{"k": v}) },
		"Tiers().Set":     func(v []int) error { return c.Tiers().Set(ctx, "k", store.Entry[any]{Value: v}) },
		"Tiers().SetMany": func(v []int) error { return c.Tiers().SetMany(ctx, map[string]store.Entry[any]{"k": {Value: v}}) },
		"Tiers().SetNewer": func(v []int) error {
			return second(c.Tiers().SetNewer(ctx, "k", store.Entry[any]{Value: v, Revision: 1}))
		},
	} {
		v := []int{1}
		if err := set(v); err != nil {
			t.Fatal(err)
		}
		v[0] = 2
		e, err := c.GetEntry(ctx, "k")
		if err != nil || e.Value[0] != 1 {
			t.Errorf("%s: %v, %v", name, e.Value, err)
		}
		within(t, name, e.ExpiresAt, time.Minute)
	}
}

// A value of another type is refused, and nil is the zero value.
func TestTiers_otherType(t *testing.T) {
	eachTiers(t, func(t *testing.T, b *strata.Backend) {
		c, err := strata.New[int, string](b, "c", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		errs, err := strata.New[int, error](b, "errors", nil, &strata.Options[int, error]{AllowLossy: true})
		if err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"of another type":           c.Tiers().Set(t.Context(), "1", store.Entry[any]{Value: 7}),
			"without a method of error": errs.Tiers().Set(t.Context(), "1", store.Entry[any]{Value: 7}),
		} {
			if !errors.Is(err, store.ErrUnstorable) {
				t.Errorf("a value %s: %v", name, err)
			}
		}
		if err := c.Tiers().Set(t.Context(), "1", store.Entry[any]{}); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Get(t.Context(), 1); v != "" || err != nil {
			t.Errorf("nil was read as %q, %v", v, err)
		}
		if err := errs.Tiers().Set(t.Context(), "2", store.Entry[any]{Value: store.ErrNotFound}); err != nil {
			t.Errorf("an error: %v", err)
		}
	})
}
