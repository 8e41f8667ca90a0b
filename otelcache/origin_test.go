package otelcache_test

import (
	"context"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// TestInvalidations_origin: invalidations are counted by what caused them: changes of this
// process, which Redis pushes too, changes of others, and tags. A copy with an invalidated tag counts once, when it is read.
func TestInvalidations_origin(t *testing.T) {
	server := redistest.Start(t, nil)
	m := newTelemetry(t)
	here, there := open(t, m, &strata.Config{RedisURL: server.URL()}), open(t, newTelemetry(t), &strata.Config{RedisURL: server.URL()})
	load := func(context.Context, string) (string, error) { return "v", nil }
	o := &strata.Options[string, string]{Tags: func(id, _ string) []string { return []string{"all", "of " + id} }}
	c, err := strata.New(here, "c", load, o)
	if err != nil {
		t.Fatal(err)
	}
	other, err := strata.New(there, "c", load, o)
	if err != nil {
		t.Fatal(err)
	}
	get := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			if _, err := c.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, local, redis, tag float64) {
		t.Helper()
		var got map[string]float64
		of := func(origin string) float64 {
			return got["strata.cache.invalidations{strata.cache.name=c,strata.cache.origin="+origin+"}"]
		}
		// A push arrives a moment after the change.
		redistest.WaitFor(t, "the push", func() bool { got = m.series(t); return of("redis") >= redis })
		if of("local") != local || of("redis") != redis || of("tag") != tag {
			t.Errorf("%s: local %v, redis %v, tag %v; want %v, %v, %v", what, of("local"), of("redis"), of("tag"), local, redis, tag)
		}
	}

	get("a", "b", "c", "d")
	expect("loads", 0, 0, 0)
	must(c.Delete(t.Context(), "a", "b"))
	expect("a Delete of two ids", 2, 2, 0)
	must(other.Delete(t.Context(), "c"))
	expect("a Delete in another process", 2, 3, 0)
	must(here.InvalidateTags(t.Context(), "of d"))
	expect("a tag is invalidated, and its value was not read", 2, 3, 0)
	get("d", "d")
	expect("its value was read", 2, 3, 1)
	get("a", "b")
	must(here.InvalidateTags(t.Context(), "all"))
	if _, err := c.GetMany(t.Context(), []string{"a", "b", "none"}); err != nil {
		t.Fatal(err)
	}
	get("a", "b")
	expect("a tag of values that are read at once", 2, 3, 3)
	must(c.Clear(t.Context()))
	expect("a Clear", 3, 3, 3)

	// The same in another process, which has pushed nothing but the tag itself.
	get("a", "b", "d")
	must(there.InvalidateTags(t.Context(), "of a"))
	redistest.WaitFor(t, "the tag of the other process", func() bool { get("a"); return c.Stats().Outdated == 4 })
	expect("a tag that another process has invalidated", 3, 3, 4)
	must(there.InvalidateTags(t.Context(), "of b", "of d"))
	redistest.WaitFor(t, "the tags of the other process", func() bool {
		if _, err := c.GetMany(t.Context(), []string{"b", "d"}); err != nil {
			t.Fatal(err)
		}
		return c.Stats().Outdated == 6
	})
	expect("tags of values that are read at once", 3, 3, 6)

	// If that process loads the value again, Redis pushes its key to this one.
	must(there.InvalidateTags(t.Context(), "of a"))
	if _, err := other.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the push of the key", func() bool { return c.Stats().Invalidations == 4 })
	get("a")
	expect("a value that another process has loaded again", 3, 4, 6)
}
