package integration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// A hangingSource answers 1, or hangs for those ids that a test wants to hang, once each.
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

// Writes that make the value of id 1, or have it loaded.
var overtakingWrites = map[string]func(ctx context.Context, b *strata.Backend, c *rowCache, id int) error{
	"Delete": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.Delete(ctx, id) },
	"Set":    func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.Set(ctx, id, 1) },
	"SetMany": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.SetMany(ctx, map[int]int{id: 1})
	},
	"SetVersion": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		_, err := c.SetVersion(ctx, id, 1, 9)
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
		return w.Done(ctx)
	},
	"DoneSet": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		w, err := c.BeginWrite(ctx, time.Minute, id)
		if err != nil {
			return err
		}
		return w.DoneSet(ctx, map[int]int{id: 1})
	},
	"DeleteHolding": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.DeleteHolding(ctx, time.Minute, id)
	},
	"DeleteOlder": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error {
		return c.DeleteOlder(ctx, time.Minute, 9, id)
	},
	"Expire": func(ctx context.Context, _ *strata.Backend, c *rowCache, id int) error { return c.Expire(ctx, id) },
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

// Whatever write overtakes a load that hangs, in whatever process: a read that begins after
// the write has returned does not wait for that load. The other processes need not have a
// copy of the key, and the tags of what is being loaded need not be known.
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

// The same where there is no Redis.
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
	for _, write := range []string{"Delete", "Set", "SetMany", "SetVersion", "DeletePattern", "Clear", "InvalidateTags"} {
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

// overtake has a load of id hang in the process of c.
func overtake(t *testing.T, source *hangingSource, c *rowCache, old bool, id int) {
	t.Helper()
	if old {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := c.Expire(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	source.hang[id].Store(true)
	go c.Get(context.Background(), id)
	<-source.begun
}
