package integration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// A hangingSource answers 1, or hangs once for each id selected by the test.
type hangingSource struct {
	hang  [1000]atomic.Bool
	begun chan int
	end   chan struct{}
}

func (s *hangingSource) load(ctx context.Context, id int) (int, error) {
	if s.hang[id].Swap(false) {
		s.begun <- id
		select {
		case <-s.end:
		case <-ctx.Done():
		}
		return 0, ctx.Err()
	}
	return 1, nil
}

type rowCache = strata.Cache[int, int]

// Writes that set the value of id 1, or make it load.
var overtakingWrites = map[string]func(ctx context.Context, b *strata.Backend, c *rowCache, id int) error{
	"Delete": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.Delete(ctx, id) },
	"Set":    func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.Set(ctx, id, 1) },
	"SetMany": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.SetMany(ctx, map[int]int{id: 1})
	},
	"SetIfNewer": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		_, err := c.SetIfNewer(ctx, id, 1, 9)
		return err
	},
	"BeginWrite": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		_, err := c.BeginWrite(ctx, time.Minute, id)
		return err
	},
	"Done": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		w, err := c.BeginWrite(ctx, time.Minute, id)
		if err != nil {
			return err
		}
		return w.Commit(ctx)
	},
	"CommitSet": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		w, err := c.BeginWrite(ctx, time.Minute, id)
		if err != nil {
			return err
		}
		return w.CommitSet(ctx, map[int]int{id: 1})
	},
	"DeleteHolding": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.DeleteHolding(ctx, time.Minute, id)
	},
	"DeleteOlder": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.DeleteOlder(ctx, time.Minute, 9, id)
	},
	"Expire": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.MarkStale(ctx, id) },
	"DeletePattern": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		_, err := c.Tiers().DeletePattern(ctx, fmt.Sprint(id))
		return err
	},
	"Clear": func(ctx context.Context, _ *strata.Backend, c *rowCache, _ int) error { return c.Clear(ctx) },
	"InvalidateTags": func(ctx context.Context, b *strata.Backend, _ *rowCache, id int) error {
		return b.InvalidateTags(ctx, fmt.Sprint("row ", id))
	},
}

var overtakingReads = map[string]func(ctx context.Context, c *rowCache, id int) (int, error){
	"Get":      func(ctx context.Context, c *rowCache, id int) (int, error) { return c.Get(ctx, id) },
	"GetFresh": func(ctx context.Context, c *rowCache, id int) (int, error) { return c.GetFresh(ctx, id) },
	"GetMany": func(ctx context.Context, c *rowCache, id int) (int, error) {
		vs, err := c.GetMany(ctx, []int{id})
		return vs[id], err
	},
	"Refresh": func(ctx context.Context, c *rowCache, id int) (int, error) { return c.Refresh(ctx, id) },
}

// A read that begins after a write has returned, in any process, does not wait for a
// hanging load from before the write. This holds for every kind of write. The other
// processes need not have a copy of the key, and the tags of the loaded value need not be
// known.
func TestOvertaken_readDoesNotWaitForTheLoad(t *testing.T) {
	server := redistest.Start(t, nil)
	source := &hangingSource{begun: make(chan int), end: make(chan struct{})}
	defer close(source.end)
	var backends []*strata.Backend
	var caches []*rowCache
	for range 2 {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		c, err := strata.New(b, "row", source.load, &strata.Options[int, int]{
			TTL: time.Hour, StaleFor: time.Hour, LoadTimeout: time.Hour,
			Tags: func(id, _ int) []string { return []string{fmt.Sprint("row ", id)} },
		})
		if err != nil {
			t.Fatal(err)
		}
		backends, caches = append(backends, b), append(caches, c)
	}
	id := 0
	for write, change := range overtakingWrites {
		for read, get := range overtakingReads {
			for writer := range 2 {
				for reader := range 2 {
					for _, old := range []bool{false, true} {
						id++
						id := id
						t.Run(fmt.Sprintf("%s by %d, %s by %d, stale value %v", write, writer, read, reader, old), func(t *testing.T) {
							overtake(t, source, caches[0], old, id)
							if err := change(t.Context(), backends[writer], caches[writer], id); err != nil {
								t.Fatal(err)
							}
							ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
							defer cancel()
							if got, err := get(ctx, caches[reader], id); err != nil || got != 1 {
								t.Errorf("the read returned %d, %v", got, err)
							}
						})
					}
				}
			}
		}
	}
}

// The same without Redis.
func TestOvertaken_inMemory(t *testing.T) {
	source := &hangingSource{begun: make(chan int), end: make(chan struct{})}
	defer close(source.end)
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := strata.New(b, "row", source.load, &strata.Options[int, int]{
		TTL: time.Hour, LoadTimeout: time.Hour,
		Tags: func(id, _ int) []string { return []string{fmt.Sprint("row ", id)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	id := 0
	for _, write := range []string{"Delete", "Set", "SetMany", "SetIfNewer", "DeletePattern", "Clear", "InvalidateTags"} {
		for read, get := range overtakingReads {
			id++
			t.Run(write+", "+read, func(t *testing.T) {
				overtake(t, source, c, false, id)
				if err := overtakingWrites[write](t.Context(), b, c, id); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if got, err := get(ctx, c, id); err != nil || got != 1 {
					t.Errorf("the read returned %d, %v", got, err)
				}
			})
		}
	}
}

// overtake makes a load of id hang in the process of c.
func overtake(t *testing.T, source *hangingSource, c *rowCache, old bool, id int) {
	t.Helper()
	if old {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := c.MarkStale(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	source.hang[id].Store(true)
	go c.Get(context.Background(), id)
	<-source.begun
}

// While a write has not returned, reads of one process may see its value, from the source, and
// then the older one, from Redis. After it has returned, no strict read sees that.
func TestRead_unfinishedWrite(t *testing.T) { inBothModes(t, readUnfinishedWrite) }

func readUnfinishedWrite(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, a, now(1), 1, layered.Origin)
	a.link.Refuse(true)
	a.link.Cut()
	// The row is 2 from here on; the writer has not called Delete yet.
	redistest.WaitFor(t, "the loss", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
	want(t, a, now(2), 2, layered.Origin)
	a.link.Refuse(false)
	strict := func() layered.Found[int] {
		t.Helper()
		f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	redistest.WaitFor(t, "the older value from Redis", func() bool {
		f := strict()
		return f.Value == 1 && f.Tier == layered.L2
	})
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if f := strict(); f.Value != 2 {
		t.Errorf("after the write a strict read got %d from %v", f.Value, f.Tier)
	}
}
