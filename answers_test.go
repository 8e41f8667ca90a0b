package strata_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

var (
	noon   = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	tokyo  = time.FixedZone("JST", 9*3600)
	errDay = errors.New("that day is not there yet")
)

// dayOptions return answers under ids that are not equal by == to the requested ones, like
// a database driver that returns times in another zone. One day fails.
func dayOptions(entries bool) *strata.Options[instant, string] {
	late := noon.AddDate(0, 0, 2)
	answer := func(ids []instant, set func(id instant, v string)) error {
		errs := make(map[instant]error)
		for _, id := range ids {
			other := instant{id.In(tokyo)}
			switch {
			case id.Equal(late):
				errs[other] = errDay
			case id.Year() == 2026:
				set(other, id.UTC().Format(time.DateOnly))
			}
		}
		return store.NewManyError(errs)
	}
	if entries {
		return &strata.Options[instant, string]{LoadEntries: func(_ context.Context, ids []instant) (map[instant]strata.Loaded[string], error) {
			m := make(map[instant]strata.Loaded[string])
			err := answer(ids, func(id instant, v string) { m[id] = strata.Loaded[string]{Value: v} })
			return m, err
		}}
	}
	return &strata.Options[instant, string]{LoadMany: func(_ context.Context, ids []instant) (map[instant]string, error) {
		m := make(map[instant]string)
		err := answer(ids, func(id instant, v string) { m[id] = v })
		return m, err
	}}
}

// An instant is a time with the text of its UTC form, so that equal instants have one key.
type instant struct{ time.Time }

func (i instant) MarshalText() ([]byte, error) { return i.UTC().MarshalText() }

// The result of a batch loader is matched by the key of an id, not by ==.
func TestIDs_answersUnderAnEqualText(t *testing.T) {
	late, never := noon.AddDate(0, 0, 2), noon.AddDate(10, 0, 0)
	for name, o := range map[string]*strata.Options[instant, string]{"LoadMany": dayOptions(false), "LoadEntries": dayOptions(true)} {
		for _, window := range []time.Duration{0, time.Millisecond} {
			for _, captures := range []bool{false, true} {
				o := *o
				o.BatchWindow = window
				c, err := strata.New(backend(t, &strata.Config{CaptureDeps: captures}), "day", nil, &o)
				if err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("%s, BatchWindow %v, CaptureDeps %v", name, window, captures)
				if v, err := c.Get(t.Context(), instant{noon}); v != "2026-11-28" || err != nil {
					t.Errorf("%s: Get: %q, %v", what, v, err)
				}
				next := instant{noon.AddDate(0, 0, 1)}
				got, err := c.GetMany(t.Context(), []instant{next, {late}, {never}})
				many := store.AsManyError[instant](err)
				if len(got) != 1 || got[next] != "2026-11-29" || many == nil || len(many.Errors) != 1 || !errors.Is(many.Errors[instant{late}], errDay) {
					t.Errorf("%s: GetMany: %v, %v", what, got, err)
				}
				third := instant{noon.AddDate(0, 0, 3)}
				if n, err := c.Warm(t.Context(), slices.Values([]instant{third, {third.In(tokyo)}}), nil); n != 1 || err != nil {
					t.Errorf("%s: Warm: %d, %v", what, n, err)
				}
				if v, err := c.Get(t.Context(), instant{third.In(tokyo)}); v != "2026-12-01" || err != nil {
					t.Errorf("%s: Get after Warm: %q, %v", what, v, err)
				}
				if _, err := c.Get(t.Context(), instant{late}); !errors.Is(err, errDay) {
					t.Errorf("%s: Get of what fails: %v", what, err)
				}
			}
		}
	}
}

// Ids that are pointers are matched by their targets.
func TestIDs_pointers(t *testing.T) {
	c, err := strata.New(backend(t, nil), "n", nil, &strata.Options[*big.Int, string]{
		LoadMany: func(_ context.Context, ids []*big.Int) (map[*big.Int]string, error) {
			m := make(map[*big.Int]string)
			for _, id := range ids {
				m[new(big.Int).Set(id)] = id.String()
			}
			return m, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	seven, eight := big.NewInt(7), big.NewInt(8)
	got, err := c.GetMany(t.Context(), []*big.Int{seven, eight})
	if err != nil || got[seven] != "7" || got[eight] != "8" {
		t.Errorf("%v, %v", got, err)
	}
}

// Two values for one key are an error.
func TestIDs_twoValuesOfOneKey(t *testing.T) {
	c, err := strata.New(backend(t, nil), "day", nil, &strata.Options[instant, string]{})
	if err != nil {
		t.Fatal(err)
	}
	other := instant{noon.AddDate(0, 0, 1)}
	values := map[instant]string{{noon}: "a", {noon.In(tokyo)}: "b", other: "c"}
	many := store.AsManyError[instant](c.SetMany(t.Context(), values))
	if many == nil || len(many.Errors) != 2 || !errors.Is(many.Errors[instant{noon}], store.ErrInvalidKey) || !errors.Is(many.Errors[instant{noon.In(tokyo)}], store.ErrInvalidKey) {
		t.Fatalf("SetMany: %v", many)
	}
	if v, err := c.Get(t.Context(), other); v != "c" || err != nil {
		t.Errorf("the other: %q, %v", v, err)
	}
	if _, err := c.Get(t.Context(), instant{noon}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one of the two: %v", err)
	}
}

type (
	ratio   float64
	generic struct{ v any }
	grid    struct{ cells [2]struct{ x complex128 } }
)

func (r ratio) MarshalText() ([]byte, error)   { return fmt.Append(nil, float64(r)), nil }
func (g generic) MarshalText() ([]byte, error) { return fmt.Append(nil, g.v), nil }
func (g grid) MarshalText() ([]byte, error)    { return fmt.Append(nil, g.cells), nil }

type texter interface{ MarshalText() ([]byte, error) }

// New returns an error for ids that a map lookup may not find.
func TestIDs_refused(t *testing.T) {
	b := backend(t, nil)
	refused := func(what string, err error, why string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := strata.New[ratio, int](b, "a", nil, nil)
	refused("a float", err, "NaN")
	_, err = strata.New[grid, int](b, "b", nil, nil)
	refused("a complex in an array in a struct", err, "NaN")
	_, err = strata.New[generic, int](b, "c", nil, nil)
	refused("an interface in a struct", err, "interface")
	_, err = strata.New[texter, int](b, "d", nil, nil)
	refused("an interface", err, "interface")
	if _, err := strata.New[time.Time, int](b, "e", nil, nil); err != nil {
		t.Errorf("a time: %v", err)
	}
}

// An index compares attributes by their keys. A value whose attribute is not known, because
// the function of NewIndex panics, is an error.
func TestIndex_attributesOfOneKey(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		type shift struct{ Begins time.Time }
		b := backend(t, cfg)
		shifts, err := strata.New(b, "shifts", func(_ context.Context, id int64) (shift, error) {
			return shift{time.Unix(id, 0).In(tokyo)}, nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		finds := 0
		byBegin, err := strata.NewIndex(shifts, "shifts by begin", func(_ context.Context, i instant) (int64, error) {
			finds++
			return i.Unix(), nil
		}, func(s shift) instant {
			if s.Begins.Unix() == 7 {
				panic("seven")
			}
			return instant{s.Begins}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []*time.Location{time.UTC, tokyo} {
			v, err := byBegin.Get(t.Context(), instant{noon.In(zone)})
			if err != nil || !v.Begins.Equal(noon) || finds != 1 {
				t.Errorf("Get by a time in %v: %v, %v, %d finds", zone, v, err, finds)
			}
		}
		if _, err := byBegin.Get(t.Context(), instant{time.Unix(7, 0)}); err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "seven") {
			t.Errorf("Get of a value whose attribute panics: %v", err)
		}
	})
}
