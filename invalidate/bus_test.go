package invalidate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// A recorder is a backend that records calls, and fails with err.
type recorder struct {
	mu    sync.Mutex
	calls []string
	err   error
}

func (r *recorder) record(format string, args ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.err
}

func (r *recorder) DeleteTexts(_ context.Context, h store.Hold, texts map[string][]string) error {
	if h != (store.Hold{}) {
		return r.record("delete %v, hold %v, revision %d", texts, h.For, h.Revision)
	}
	return r.record("delete %v", texts)
}

func (r *recorder) ClearCaches(_ context.Context, names ...string) error {
	return r.record("clear %v", names)
}

func (r *recorder) InvalidateTags(_ context.Context, tags ...string) error {
	return r.record("tags %v", tags)
}

// take returns the calls since the last take, sorted: they are concurrent.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.calls)
	s := strings.Join(r.calls, "; ")
	r.calls = nil
	return s
}

func newBus(t testing.TB, rules *invalidate.Rules, o *invalidate.BusOptions) (*invalidate.Bus, *recorder) {
	t.Helper()
	r := new(recorder)
	bus, err := invalidate.NewBus(rules, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return bus, r
}

// What several events have in common is invalidated once, in one call of each kind.
func TestBus_Publish_batches(t *testing.T) {
	bus, r := newBus(t, marketRules(), nil)
	err := bus.Publish(t.Context(),
		ListingChanged{ID: 42, Host: 7, City: "paris", CityBefore: "paris"},
		ListingChanged{ID: 41, Host: 7, City: "paris", CityBefore: "lyon"},
		ListingChanged{ID: 42, Host: 7, City: "paris", CityBefore: "paris"},
		ReviewChanged{Listing: 42, User: 7})
	if err != nil {
		t.Fatal(err)
	}
	want := "clear [search]; delete map[listing:[41 42] review-stats:[42] reviews:[42] reviews-by-user:[7]]; tags [city:lyon city:paris host:7]"
	if got := r.take(); got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
	if s := bus.Stats(); s != (invalidate.BusStats{Events: 4, IDs: 5, Tags: 3, Clears: 1}) {
		t.Errorf("stats %+v", s)
	}
	if err := bus.Publish(t.Context()); err != nil || r.take() != "" {
		t.Errorf("no events: %v", err)
	}
}

type Repriced struct {
	IDs      []int64
	Revision uint64
}

func repriced(r *invalidate.Rules) {
	invalidate.On(r, func(e Repriced) invalidate.Targets {
		t := invalidate.IDs(listing, e.IDs...)
		if e.Revision > 0 {
			t = t.Older(e.Revision, time.Second)
		}
		return invalidate.Targets{t}
	}, listing)
}

// Of more ids than MaxIDs, the cache is cleared.
func TestBus_MaxIDs(t *testing.T) {
	rules := invalidate.NewRules()
	repriced(rules)
	bus, r := newBus(t, rules, &invalidate.BusOptions{MaxIDs: 3})
	for ids, want := range map[[2]int64]string{
		{1, 3}: "delete map[listing:[1 2 3]]",
		{1, 4}: "clear [listing]",
	} {
		var e Repriced
		for id := ids[0]; id <= ids[1]; id++ {
			e.IDs = append(e.IDs, id, id)
		}
		if err := bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if got := r.take(); got != want {
			t.Errorf("%v: %s, want %s", ids, got, want)
		}
	}
}

// Where several events hold an id, the hold covers all of them, and no hold is lost in a clear.
func TestBus_holds(t *testing.T) {
	rules := invalidate.NewRules()
	repriced(rules)
	bus, r := newBus(t, rules, &invalidate.BusOptions{MaxIDs: 1})
	if err := bus.Publish(t.Context(), Repriced{[]int64{1}, 5}, Repriced{[]int64{1}, 9}, Repriced{[]int64{1, 2, 3}, 0}); err != nil {
		t.Fatal(err)
	}
	if got, want := r.take(), "clear [listing]; delete map[listing:[1]], hold 1s, revision 9"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := bus.Publish(t.Context(), Repriced{[]int64{1, 2}, 5}); err != nil {
		t.Fatal(err)
	}
	if got, want := r.take(), "delete map[listing:[1 2]], hold 1s, revision 5"; got != want {
		t.Errorf("%s, want %s: ids with a hold go one by one", got, want)
	}
}

type Odd struct{ N int }

// A rule that panics, and one with an id that has no text, clear the caches of the rule, or
// all; other events are applied.
func TestBus_failingRule(t *testing.T) {
	for _, c := range []struct {
		name   string
		clears []invalidate.Named
		rule   func(Odd) invalidate.Targets
		want   string
	}{
		{"panic", []invalidate.Named{user, search}, func(Odd) invalidate.Targets { panic("odd") }, "clear [search user]; delete map[listing:[1]]"},
		{"panic, no caches named", nil, func(Odd) invalidate.Targets { panic("odd") }, "clear []"},
		{"no text", []invalidate.Named{user}, func(Odd) invalidate.Targets { return invalidate.Targets{invalidate.IDs(noText{}, 1)} }, "clear [user]; delete map[listing:[1]]"},
	} {
		rules := invalidate.NewRules()
		repriced(rules)
		invalidate.On(rules, c.rule, c.clears...)
		bus, r := newBus(t, rules, nil)
		err := bus.Publish(t.Context(), Odd{1}, Repriced{IDs: []int64{1}})
		if err == nil || !strings.Contains(err.Error(), "Odd") {
			t.Errorf("%s: error %v", c.name, err)
		}
		if got := r.take(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if ts, err := rules.Explain(Odd{1}, Repriced{IDs: []int64{1}}); err == nil || len(ts) != 1 {
			t.Errorf("%s: explained %v, %v", c.name, ts, err)
		}
	}
}

type noText struct{}

func (noText) Name() string             { return "no-text" }
func (noText) Text(int) (string, error) { return "", store.ErrInvalidKey }

// An event without a rule is an error, and the others are applied.
func TestBus_noRule(t *testing.T) {
	rules := invalidate.NewRules()
	repriced(rules)
	bus, r := newBus(t, rules, nil)
	for _, event := range []any{Odd{1}, &Repriced{}, nil, 7} {
		if err := bus.Publish(t.Context(), event, Repriced{IDs: []int64{1}}); !errors.Is(err, invalidate.ErrNoRule) {
			t.Errorf("%T: %v", event, err)
		}
		if got := r.take(); got != "delete map[listing:[1]]" {
			t.Errorf("%T: %s", event, got)
		}
	}
	if _, _, err := rules.Encode(Odd{1}); !errors.Is(err, invalidate.ErrNoRule) {
		t.Errorf("Encode: %v", err)
	}
	if _, err := rules.Decode("Odd", nil); !errors.Is(err, invalidate.ErrNoRule) {
		t.Errorf("Decode: %v", err)
	}
}

// Publish returns the error of the backend and counts it.
func TestBus_unavailable(t *testing.T) {
	bus, r := newBus(t, marketRules(), nil)
	r.err = store.ErrUnavailable
	if err := bus.Publish(t.Context(), ReviewChanged{Listing: 1, User: 2}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if s := bus.Stats(); s.Failures != 1 {
		t.Errorf("stats %+v", s)
	}
}

type renamed struct{ ID int64 }

func (renamed) EventName() string { return "Repriced" }

// Rules report events whose names could be confused, and NewBus refuses them.
func TestRules_Err(t *testing.T) {
	none := func() invalidate.Targets { return nil }
	for what, add := range map[string]func(*invalidate.Rules){
		"are both events of the name": func(r *invalidate.Rules) {
			invalidate.On(r, func(renamed) invalidate.Targets { return none() })
		},
		"*invalidate_test.Odd cannot be an event": func(r *invalidate.Rules) {
			invalidate.On(r, func(*Odd) invalidate.Targets { return none() })
		},
		"interface {} cannot be an event": func(r *invalidate.Rules) { invalidate.On(r, func(any) invalidate.Targets { return none() }) },
		"struct {} cannot be an event":    func(r *invalidate.Rules) { invalidate.On(r, func(struct{}) invalidate.Targets { return none() }) },
		"of the name \"row:t\"": func(r *invalidate.Rules) {
			invalidate.OnRow(r, "t", func(invalidate.RowChange[Odd]) invalidate.Targets { return none() })
			invalidate.OnRow(r, "t", func(invalidate.RowChange[Repriced]) invalidate.Targets { return none() })
		},
	} {
		rules := invalidate.NewRules()
		repriced(rules)
		add(rules)
		if err := rules.Err(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %s", err, what)
		}
		if _, err := invalidate.NewBus(rules, new(recorder), nil); err == nil {
			t.Errorf("NewBus accepts rules with a mistake: %s", what)
		}
	}
	if _, err := invalidate.NewBus(nil, nil, nil); err == nil {
		t.Error("NewBus accepts nil")
	}
}

// Events survive Encode and Decode, and several rules apply to one event.
func TestRules_Encode(t *testing.T) {
	rules := marketRules()
	invalidate.On(rules, func(e ReviewChanged) invalidate.Targets {
		return invalidate.Targets{invalidate.IDs(listing, e.Listing)}
	}, listing)
	name, data, err := rules.Encode(ReviewChanged{Listing: 42, User: 7})
	if name != "ReviewChanged" || string(data) != `{"Listing":42,"User":7}` || err != nil {
		t.Errorf("Encode: %s, %s, %v", name, data, err)
	}
	event, err := rules.Decode(name, data)
	if event != (ReviewChanged{Listing: 42, User: 7}) || err != nil {
		t.Errorf("Decode: %v, %v", event, err)
	}
	if ts, err := rules.Explain(event); len(ts) != 4 || err != nil {
		t.Errorf("Explain: %v, %v", ts, err)
	}
	if _, err := rules.Decode(name, []byte("{")); err == nil {
		t.Error("Decode accepts half an event")
	}
}

func ExampleOnRow() {
	var r keys.Registry
	listing := keys.Define1[int64](&r, "listing", keys.Class{}, nil)

	type row struct{ ID int64 }
	rules := invalidate.NewRules()
	invalidate.OnRow(rules, "listings", func(c invalidate.RowChange[row]) invalidate.Targets {
		var ts invalidate.Targets
		for _, row := range []*row{c.Old, c.New} {
			if row != nil {
				ts = append(ts, invalidate.IDs(listing, row.ID))
			}
		}
		if c.Truncated {
			ts = append(ts, invalidate.All(listing))
		}
		return ts
	}, listing)

	// What the triggers of outbox.TriggerSQL record.
	event, err := rules.Decode("row:listings", []byte(`{"old": {"id": 42}, "new": null}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rules.Explain(event))
	// Output: [listing "42" (row:listings)] <nil>
}
