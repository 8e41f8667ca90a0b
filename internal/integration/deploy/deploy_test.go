package deploy_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

type (
	house struct { // of the old processes
		City  string
		Price int
	}
	rated struct { // has one field more
		City   string
		Price  int
		Rating float64
	}
	priced struct { // has another type of Price
		City, Price string
	}
)

// A table is the source, whose rows have a revision.
type table struct{ revision, loads atomic.Int64 }

func (s *table) row() (city string, price int) {
	s.loads.Add(1)
	return fmt.Sprint("city ", s.revision.Load()), int(s.revision.Load())
}

func (s *table) house(context.Context, int) (house, error) {
	city, price := s.row()
	return house{city, price}, nil
}

func (s *table) rated(context.Context, int) (rated, error) {
	city, price := s.row()
	return rated{city, price, 4.5}, nil
}

func (s *table) priced(context.Context, int) (priced, error) {
	city, price := s.row()
	return priced{city, fmt.Sprintf("%d EUR", price)}, nil
}

// process begins a process that has one cache, of V.
func process[V any](t *testing.T, url string, load func(context.Context, int) (V, error), schema string) (*strata.Cache[int, V], *strata.Backend) {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := strata.New(b, "house", load, &strata.Options[int, V]{
		TTL: time.Hour, Schema: schema, Tags: func(id int, _ V) []string { return []string{fmt.Sprint("house-", id)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, b
}

func get[V comparable](t *testing.T, c *strata.Cache[int, V], want V) {
	t.Helper()
	if got, err := c.Get(t.Context(), 7); got != want || err != nil {
		t.Errorf("Get = %+v, %v; want %+v", got, err, want)
	}
}

// becomes waits until c answers with want: until Redis has pushed the change.
func becomes[V comparable](t *testing.T, c *strata.Cache[int, V], want V) {
	t.Helper()
	var got V
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got, err = c.Get(t.Context(), 7); err == nil && got == want {
			return
		}
	}
	t.Errorf("Get = %+v, %v; want that it becomes %+v", got, err, want)
}

func (s *table) loaded(t *testing.T, want int64) {
	t.Helper()
	if got := s.loads.Swap(0); got != want {
		t.Errorf("there were %d loads, want %d", got, want)
	}
}

// must fails the test for the error of a change.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// With the default Schema old and new processes share no values, and no Delete, Set and Clear.
// Tags they share. Processes of the old type that begin later find what the old ones left.
func TestDeploy_default(t *testing.T) {
	url, ctx := redistest.Start(t, nil).URL(), t.Context()
	var source table
	before, _ := process(t, url, source.house, "")
	after, backend := process(t, url, source.rated, "")
	get(t, before, house{"city 0", 0})
	get(t, after, rated{"city 0", 0, 4.5})
	source.loaded(t, 2)

	source.revision.Add(1)
	must(t, before.Delete(ctx, 7))
	get(t, before, house{"city 1", 1})
	later, _ := process(t, url, source.rated, "")
	get(t, after, rated{"city 0", 0, 4.5}) // in L1
	get(t, later, rated{"city 0", 0, 4.5}) // in Redis
	source.loaded(t, 1)

	must(t, after.Delete(ctx, 7))
	get(t, after, rated{"city 1", 1, 4.5})
	source.revision.Add(1)
	must(t, after.Clear(ctx))
	must(t, after.Set(ctx, 7, rated{"city 2", 2, 4.5}))
	back, _ := process(t, url, source.house, "") // a rollback
	get(t, before, house{"city 1", 1})
	get(t, back, house{"city 1", 1})
	source.loaded(t, 1)

	must(t, backend.InvalidateTags(ctx, "house-7"))
	becomes(t, before, house{"city 2", 2})
	becomes(t, back, house{"city 2", 2})
	get(t, after, rated{"city 2", 2, 4.5})
}

// pinned is what SchemaOf returns for the old type.
const pinned = "a34zv5u3"

// A new type that has the Schema of the old one, written out, shares values and changes.
func TestDeploy_pinned(t *testing.T) {
	if got := strata.SchemaOf[house](nil); got != pinned {
		t.Fatalf("the schema is %s, not %s", got, pinned)
	}
	url, ctx := redistest.Start(t, nil).URL(), t.Context()
	var source table
	before, _ := process(t, url, source.house, "")
	after, _ := process(t, url, source.rated, pinned)
	get(t, before, house{"city 0", 0})
	get(t, after, rated{"city 0", 0, 0}) // the bytes have no rating
	source.loaded(t, 1)

	source.revision.Add(1)
	must(t, before.Delete(ctx, 7))
	becomes(t, after, rated{"city 1", 1, 4.5})
	becomes(t, before, house{"city 1", 1}) // reads what the new one has loaded
	source.revision.Add(1)
	must(t, after.Delete(ctx, 7))
	becomes(t, before, house{"city 2", 2})
	becomes(t, after, rated{"city 2", 2, 0})

	must(t, before.Set(ctx, 7, house{"set", 3}))
	becomes(t, after, rated{"set", 3, 0})
	source.revision.Add(1)
	must(t, after.Clear(ctx))
	becomes(t, before, house{"city 3", 3})
}

// A change of the type of a field under one Schema is a miss for each, never another value.
func TestDeploy_pinnedThoughAFieldHasAnotherType(t *testing.T) {
	url := redistest.Start(t, nil).URL()
	var source table
	for range 2 {
		before, _ := process(t, url, source.house, pinned)
		get(t, before, house{"city 0", 0})
		after, _ := process(t, url, source.priced, pinned)
		get(t, after, priced{"city 0", "0 EUR"})
		source.loaded(t, 2) // each finds the bytes of the other one
	}
}

// other returns a cache without values whose Delete is that of the processes with a schema. A
// Backend has one cache of a name, so it has a Backend, which has no L1.
func other(t *testing.T, url, schema string) *strata.Cache[int, struct{}] {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Memory: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := strata.New(b, "house", nil, &strata.Options[int, struct{}]{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Where the Schema has to change, both releases delete under both.
func TestDeploy_deletesUnderBoth(t *testing.T) {
	const next = "2"
	url, ctx := redistest.Start(t, nil).URL(), t.Context()
	var source table
	before, _ := process(t, url, source.house, pinned)
	after, _ := process(t, url, source.priced, next)
	beforeNext, afterPinned := other(t, url, next), other(t, url, pinned)
	get(t, before, house{"city 0", 0})
	get(t, after, priced{"city 0", "0 EUR"})

	source.revision.Add(1)
	must(t, before.Delete(ctx, 7))
	must(t, beforeNext.Delete(ctx, 7))
	becomes(t, before, house{"city 1", 1})
	becomes(t, after, priced{"city 1", "1 EUR"})

	source.revision.Add(1)
	must(t, after.Delete(ctx, 7))
	must(t, afterPinned.Delete(ctx, 7))
	becomes(t, before, house{"city 2", 2})
	becomes(t, after, priced{"city 2", "2 EUR"})

	source.revision.Add(1)
	must(t, after.Clear(ctx))
	must(t, afterPinned.Clear(ctx))
	back, _ := process(t, url, source.house, pinned) // a rollback
	get(t, back, house{"city 3", 3})
	becomes(t, before, house{"city 3", 3})
}
