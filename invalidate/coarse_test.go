package invalidate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
)

// Rooms is the event of a test: N rooms of a house change.
type Rooms struct {
	House    string
	From, To int
	Held     bool
}

var (
	hotel   = keys.DefineTag[string](&market, "hotel")
	sameDay = keys.DefineTag[string](&market, "day")
	room    = keys.Define2(&market, "room", detail, func(house string, n int) []string {
		if n < 0 {
			panic("no such room")
		}
		return []string{fmt.Sprintf("floor:%d", n/100), hotel.Of(house), sameDay.Of("any")}
	})
	cellar = keys.Define2[string, int](&market, "cellar", detail, nil)
)

func roomRules() *invalidate.Rules {
	r := invalidate.NewRules()
	invalidate.On(r, func(e Rooms) invalidate.Targets {
		var ids []keys.ID2[string, int]
		for n := e.From; n <= e.To; n++ {
			ids = append(ids, keys.ID2[string, int]{A: e.House, B: n})
		}
		t := invalidate.IDs(room, ids...)
		if e.House == "cellar" {
			t = invalidate.IDs(cellar, ids...)
		}
		if e.Held {
			t = t.Older(7, time.Second)
		}
		clear(ids) // they are the caller's
		return invalidate.Targets{t}
	}, room)
	return r
}

// More than MaxIDs ids of a cache become the first tag that all of them have, or a Clear.
// Explain says the same, and why.
func TestBus_MaxIDs_tag(t *testing.T) {
	rules := roomRules()
	bus, r := newBus(t, rules, &invalidate.BusOptions{MaxIDs: 3})
	for _, c := range []struct {
		name      string
		events    []any
		want, why string
	}{
		{"few", []any{Rooms{"ritz", 1, 3, false}}, "delete map[room:[ritz:1 ritz:2 ritz:3]]",
			`room "ritz:1", "ritz:2", "ritz:3" (Rooms)`},
		{"one event", []any{Rooms{"ritz", 1, 4, false}}, "tags [floor:0]",
			`tag "floor:0": 4 ids of room have it, more than 3 (Rooms)`},
		{"the first tag that all have", []any{Rooms{"ritz", 98, 101, false}}, "tags [hotel:ritz]",
			`tag "hotel:ritz": 4 ids of room have it, more than 3 (Rooms)`},
		{"several events", []any{Rooms{"ritz", 98, 99, false}, Rooms{"ritz", 100, 101, false}}, "tags [hotel:ritz]",
			`tag "hotel:ritz": 4 ids of room have it, more than 3 (Rooms)`},
		{"the same ids", []any{Rooms{"ritz", 1, 2, false}, Rooms{"ritz", 1, 2, false}}, "delete map[room:[ritz:1 ritz:2]]",
			`room "ritz:1", "ritz:2" (Rooms); room "ritz:1", "ritz:2" (Rooms)`},
		{"no tag", []any{Rooms{"cellar", 1, 4, false}}, "clear [cellar]",
			`all of cellar: 4 ids without a tag in common, more than 3 (Rooms)`},
		{"a definition that panics", []any{Rooms{"ritz", -4, 0, false}}, "clear [room]",
			`all of room: 5 ids without a tag in common, more than 3 (Rooms)`},
		{"a large event beside a small one of a cache without a tag", []any{Rooms{"ritz", 1, 9, false}, Rooms{"cellar", 1, 2, false}},
			"delete map[cellar:[cellar:1 cellar:2]]; tags [floor:0]", `tag "floor:0": 9 ids of room have it, more than 3 (Rooms); cellar "cellar:1", "cellar:2" (Rooms)`},
		{"with a hold", []any{Rooms{"ritz", 1, 4, true}}, "delete map[room:[ritz:1 ritz:2 ritz:3 ritz:4]], hold 1s, revision 7",
			`room "ritz:1", "ritz:2", "ritz:3", "ritz:4" (Rooms)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts, err := bus.Explain(c.events...)
			var why []string
			for _, target := range ts {
				why = append(why, target.String())
			}
			if got := strings.Join(why, "; "); got != c.why || err != nil {
				t.Errorf("explained %s, %v\nwant      %s", got, err, c.why)
			}
			if got := r.take(); got != "" {
				t.Errorf("Explain called %s", got)
			}
			if err := bus.Publish(t.Context(), c.events...); err != nil {
				t.Fatal(err)
			}
			if got := r.take(); got != c.want {
				t.Errorf("calls %s\nwant  %s", got, c.want)
			}
		})
	}
}

// Where the events of a batch have no tag in common, each that is too large on its own has
// its tag, and the others stay ids as long as they are few.
func TestBus_MaxIDs_tagOfEachEvent(t *testing.T) {
	rules := invalidate.NewRules()
	type Listed struct{ Cities []string }
	byCity := keys.Define2(&market, "by-city", list, func(city string, _ int) []string { return []string{inCity.Of(city)} })
	invalidate.On(rules, func(e Listed) invalidate.Targets {
		var ids []keys.ID2[string, int]
		for n, city := range e.Cities {
			ids = append(ids, keys.ID2[string, int]{A: city, B: n})
		}
		return invalidate.Targets{invalidate.IDs(byCity, ids...)}
	}, byCity)
	bus, r := newBus(t, rules, &invalidate.BusOptions{MaxIDs: 2})
	paris, lyon := slices.Repeat([]string{"paris"}, 3), slices.Repeat([]string{"lyon"}, 4)
	for _, c := range []struct {
		events []any
		want   string
	}{
		{[]any{Listed{paris}, Listed{lyon}}, "tags [city:lyon city:paris]"},
		{[]any{Listed{paris}, Listed{[]string{"nice", "metz"}}}, "delete map[by-city:[metz:1 nice:0]]; tags [city:paris]"},
		{[]any{Listed{paris}, Listed{[]string{"nice", "metz"}}, Listed{[]string{"caen"}}}, "clear [by-city]; tags [city:paris]"},
		{[]any{Listed{[]string{"nice", "metz"}}, Listed{[]string{"caen"}}}, "clear [by-city]"},
	} {
		if err := bus.Publish(t.Context(), c.events...); err != nil {
			t.Fatal(err)
		}
		if got := r.take(); got != c.want {
			t.Errorf("%v: %s, want %s", c.events, got, c.want)
		}
	}
}

// Explain of a bus returns what Publish invalidates when a rule fails, beside the error.
func TestBus_Explain_failingRule(t *testing.T) {
	rules := invalidate.NewRules()
	invalidate.On(rules, func(Odd) invalidate.Targets { panic("odd") }, search)
	bus, _ := newBus(t, rules, nil)
	ts, err := bus.Explain(Odd{1})
	if len(ts) != 1 || ts[0].String() != "all of search (Odd)" || err == nil {
		t.Errorf("%v, %v", ts, err)
	}
}
