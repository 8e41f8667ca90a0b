package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// lifetimes checks how long c keeps the entry of id fresh, and at all.
func lifetimes(t *testing.T, c *strata.Cache[string, string], id string, fresh, kept time.Duration) {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprintf("the TTL of %q to be %v, %v", id, fresh, kept), func() bool { // Ristretto writes in the background
		e, err := c.GetEntry(t.Context(), id)
		switch {
		case e.Absent:
			return near(e.ExpiresAt.Until(), kept)
		case err != nil:
			return false
		}
		f, k, err := c.TTL(t.Context(), id)
		return err == nil && near(f, fresh) && near(k, kept)
	})
}

// precedenceOf returns options in which the text of an id says what applies to it.
func precedenceOf() *strata.Options[string, string] {
	return &strata.Options[string, string]{
		Jitter: -1, TTL: time.Hour, AbsentFor: 2 * time.Hour, StaleFor: 3 * time.Hour, MaxTTL: 50 * time.Hour,
		OverrideOf: func(id string) (o strata.Override) {
			if strings.Contains(id, "override") {
				o = strata.Override{TTL: 5 * time.Hour, AbsentFor: 6 * time.Hour, StaleFor: 7 * time.Hour}
			}
			if strings.Contains(id, "nostale") {
				o.StaleFor = -1
			}
			return o
		},
		TTLOf: func(id, _ string) time.Duration {
			if strings.Contains(id, "ttlof") {
				return 8 * time.Hour
			}
			return 0
		},
		LoadEntry: func(_ context.Context, id string) (l strata.Loaded[string], err error) {
			if strings.Contains(id, "loaded") {
				l.TTL = 9 * time.Hour
			}
			if strings.Contains(id, "forever") {
				l.TTL = store.Forever
			}
			l.Absent = strings.Contains(id, "absent")
			if strings.Contains(id, "missing") {
				err = store.ErrNotFound
			}
			return l, err
		},
	}
}

// TestOptions_precedence is the table of docs/configuration.md.
func TestOptions_precedence(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		c, err := strata.New(b, "c", nil, precedenceOf())
		if err != nil {
			t.Fatal(err)
		}
		const h = time.Hour
		for id, want := range map[string][2]time.Duration{
			"plain": {h, 4 * h}, "override": {5 * h, 12 * h}, "override nostale": {5 * h, 5 * h}, "override ttlof": {8 * h, 15 * h},
			"override ttlof loaded": {9 * h, 16 * h}, "forever": {50 * h, 53 * h},
			"absent": {0, 2 * h}, "missing": {0, 2 * h}, "override absent": {0, 6 * h}, "override missing": {0, 6 * h},
			"override absent loaded": {0, 9 * h}, "absent forever": {0, 50 * h},
		} {
			lifetimes(t, c, id, want[0], want[1])
		}
		set := func(id string, ttl, fresh, kept time.Duration) {
			t.Helper()
			if err := c.SetFor(t.Context(), id, "", ttl); err != nil {
				t.Fatal(err)
			}
			lifetimes(t, c, id, fresh, kept)
		}
		set("override ttlof loaded", 10*h, 10*h, 17*h)
		set("plain", 60*h, 50*h, 53*h)
		touch := func(id string, err error, fresh, kept time.Duration) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			lifetimes(t, c, id, fresh, kept)
		}
		touch("override", c.SetTTL(t.Context(), "override", 60*h), 50*h, 57*h)
		touch("override", c.Touch(t.Context(), "override"), 5*h, 12*h)
		e := store.Entry[any]{ExpiresAt: store.In(70 * h), StaleAt: store.In(60 * h)}
		touch("plain", c.Tiers().Set(t.Context(), "plain", e), 50*h, 60*h)
		e.StaleAt = 0
		touch("plain", c.Tiers().Set(t.Context(), "plain", e), 50*h, 50*h)
	})
}

// TestOptions_MaxTTL_absent: MaxTTL caps the default of AbsentFor.
func TestOptions_MaxTTL_absent(t *testing.T) {
	c, err := strata.New(backend(t, nil), "c", func(context.Context, string) (string, error) { return "", store.ErrNotFound },
		&strata.Options[string, string]{MaxTTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := c.GetEntry(t.Context(), "k"); !e.Absent || e.ExpiresAt.Until() > time.Second || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("GetEntry = %v, %v; it is kept for %v", e, err, e.ExpiresAt.Until())
	}
}

// TestOptions_OverrideOf_many: a batch loader that has no value of an id.
func TestOptions_OverrideOf_many(t *testing.T) {
	for _, window := range []time.Duration{0, time.Millisecond} {
		o := precedenceOf()
		o.LoadEntry, o.BatchWindow = nil, window
		o.LoadMany = func(context.Context, []string) (map[string]string, error) { return nil, nil }
		c, err := strata.New(backend(t, nil), "c", nil, o)
		if err != nil {
			t.Fatal(err)
		}
		es, err := c.GetManyEntries(t.Context(), []string{"override", "plain"})
		one, oerr := c.GetEntry(t.Context(), "override 2")
		if err != nil || !errors.Is(oerr, store.ErrNotFound) || !near(es["override"].ExpiresAt.Until(), 6*time.Hour) ||
			!near(es["plain"].ExpiresAt.Until(), 2*time.Hour) || !near(one.ExpiresAt.Until(), 6*time.Hour) {
			t.Errorf("%v, %v, %v, %v", es, err, one, oerr)
		}
	}
}

// TestOptions_OverrideOf_panics: a panic is an error of the call, not of the program.
func TestOptions_OverrideOf_panics(t *testing.T) {
	o := precedenceOf()
	o.TTLOf = nil // with it, Touch reads the value first
	o.OverrideOf = func(string) strata.Override { panic("no override") }
	c, err := strata.New(backend(t, nil), "c", nil, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "k")
	for _, err := range []error{err, c.Set(t.Context(), "k", "v"), c.SetTTL(t.Context(), "k", time.Hour), c.Touch(t.Context(), "k")} {
		if err == nil || !strings.Contains(err.Error(), "no override") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestOptions_KeepInL1: what L1 does not keep comes from Redis; without Redis, L1 keeps all.
func TestOptions_KeepInL1(t *testing.T) {
	url := redistest.Start(t, nil).URL()
	for name, cfg := range map[string]*strata.Config{"memory": nil, "Redis": {RedisURL: url}} {
		t.Run(name, func(t *testing.T) {
			c, err := strata.New(backend(t, cfg), "c", func(_ context.Context, id string) (string, error) { return "v" + id, nil },
				&strata.Options[string, string]{KeepInL1: func(id, v string) bool {
					if id == "panics" {
						panic("no decision")
					}
					return v == "vsmall"
				}})
			if err != nil {
				t.Fatal(err)
			}
			for id, kept := range map[string]bool{"small": true, "large": cfg == nil, "panics": cfg == nil} {
				for range 2 { // the source, then a tier
					if v, err := c.Get(t.Context(), id); v != "v"+id || err != nil {
						t.Fatal(v, err)
					}
				}
				e, err := c.GetEntry(t.Context(), id)
				if want := map[bool]layered.Tier{true: layered.L1, false: layered.L2}[kept]; e.Tier != want || err != nil {
					t.Errorf("%s is in %v, %v; want %v", id, e.Tier, err, want)
				}
			}
		})
	}
}

// A writeOnly has no UnmarshalText.
type writeOnly struct{ n int }

func (w writeOnly) MarshalText() ([]byte, error) { return fmt.Append(nil, w.n), nil }

func TestOptions_KeepInL1_needsIDs(t *testing.T) {
	_, err := strata.New(backend(t, nil), "c", nil, &strata.Options[writeOnly, string]{KeepInL1: func(writeOnly, string) bool { return true }})
	if err == nil || !strings.Contains(err.Error(), "KeepInL1 requires ids that can be read") {
		t.Errorf("New: %v", err)
	}
}
