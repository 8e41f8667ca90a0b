package strata_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// A source of products by city, with a count of loads.
type products struct {
	mu    sync.Mutex
	price int
	known map[keys.ID2[string, int]]bool
	loads map[keys.ID2[string, int]]int
}

func (p *products) load(_ context.Context, id keys.ID2[string, int]) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loads[id]++
	if !p.known[id] {
		return "", store.ErrNotFound
	}
	return fmt.Sprint(p.price), nil
}

func (p *products) loadMany(ctx context.Context, ids []keys.ID2[string, int]) (map[keys.ID2[string, int]]string, error) {
	found := make(map[keys.ID2[string, int]]string)
	for _, id := range ids {
		if v, err := p.load(ctx, id); err == nil {
			found[id] = v
		}
	}
	return found, nil
}

// An id that the source does not have is remembered with the tags of the definition, whatever
// loaded it, so that a tag invalidates it when it is created. So an event with more than MaxIDs
// ids may be invalidated by a tag that they share.
func TestNewDefined_tagOfMany(t *testing.T) {
	type moved struct{ City string }
	for _, way := range []string{"loader", "LoadMany", "GetMany with a loader", "Reload"} {
		t.Run(way, func(t *testing.T) {
			with(t, func(t *testing.T, cfg *strata.Config) {
				var r keys.Registry
				ofCity := keys.DefineTag[string](&r, "city")
				d := keys.Define2(&r, "products", keys.Class{}, func(city string, _ int) []string { return []string{ofCity.Of(city)} })
				src := &products{price: 1, known: make(map[keys.ID2[string, int]]bool), loads: make(map[keys.ID2[string, int]]int)}
				var o strata.Options[keys.ID2[string, int], string]
				load := src.load
				switch way {
				case "LoadMany":
					o.LoadMany, load = src.loadMany, nil
				case "Reload":
					o.Reload = func(ctx context.Context, id keys.ID2[string, int], _ store.Entry[string]) (string, error) {
						return src.load(ctx, id)
					}
				}
				b := backend(t, cfg)
				c, err := strata.NewDefined(b, d, load, &o)
				if err != nil {
					t.Fatal(err)
				}
				var paris []keys.ID2[string, int]
				for n := range 8 {
					id := keys.ID2[string, int]{A: "paris", B: n}
					paris, src.known[id] = append(paris, id), n%2 == 0
				}
				lyon := keys.ID2[string, int]{A: "lyon"}
				src.known[lyon] = true
				rules := invalidate.NewRules()
				invalidate.On(rules, func(e moved) invalidate.Targets { return invalidate.Targets{invalidate.IDs(d, paris...)} }, d)
				bus, err := invalidate.NewBus(rules, b, &invalidate.BusOptions{MaxIDs: 3})
				if err != nil {
					t.Fatal(err)
				}
				read := func(want string, all bool) {
					t.Helper()
					if way == "GetMany with a loader" {
						got, err := c.GetMany(t.Context(), paris)
						if err != nil || all != (len(got) == len(paris)) {
							t.Errorf("GetMany: %v, %v", got, err)
						}
						return
					}
					for n, id := range paris {
						got, err := c.Get(t.Context(), id)
						if known := all || n%2 == 0; known && got != want || known == errors.Is(err, store.ErrNotFound) {
							t.Errorf("%v: %q, %v", id, got, err)
						}
					}
				}
				if _, err := c.Get(t.Context(), lyon); err != nil {
					t.Fatal(err)
				}
				read("1", false)
				if way == "Reload" { // a value that the source loses
					gone := paris[0]
					src.known[gone] = false
					if _, err := c.Refresh(t.Context(), gone); !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				src.mu.Lock()
				src.price = 2
				for _, id := range paris {
					src.known[id] = true
				}
				src.mu.Unlock()
				if err := bus.Publish(t.Context(), moved{"paris"}); err != nil {
					t.Fatal(err)
				}
				if s := bus.Stats(); s.Tags != 1 || s.IDs != 0 || s.Clears != 0 {
					t.Errorf("invalidated: %+v", s)
				}
				read("2", true)
				if _, err := c.Get(t.Context(), lyon); err != nil || src.loads[lyon] != 1 {
					t.Errorf("the value of another tag: %d loads, %v", src.loads[lyon], err)
				}
			})
		})
	}
}

// Other processes do not serve what is invalidated so, absent ids included.
func TestNewDefined_tagOfMany_processes(t *testing.T) {
	server := redistest.Start(t, nil)
	var r keys.Registry
	d := keys.Define1(&r, "d", keys.Class{}, func(int) []string { return []string{"all"} })
	known := false
	load := func(context.Context, int) (int, error) {
		if !known {
			return 0, store.ErrNotFound
		}
		return 1, nil
	}
	open := func() (*strata.Backend, *strata.Cache[int, int]) {
		b := backend(t, &strata.Config{RedisURL: server.URL()})
		c, err := strata.NewDefined(b, d, load, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	here, _ := open()
	_, there := open()
	for id := range 4 {
		if _, err := there.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	known = true
	rules := invalidate.NewRules()
	type created struct{}
	invalidate.On(rules, func(created) invalidate.Targets { return invalidate.Targets{invalidate.IDs(d, 0, 1, 2, 3)} }, d)
	bus, err := invalidate.NewBus(rules, here, &invalidate.BusOptions{MaxIDs: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Publish(t.Context(), created{}); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the invalidation in the other process", func() bool {
		got, err := there.GetMany(t.Context(), []int{0, 1, 2, 3})
		return err == nil && len(got) == 4
	})
}
