package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// copies are what a tier in front keeps, with the fence that it needs.
type cells struct {
	mu     sync.Mutex
	epochs map[string]int
	held   map[string]string
	fills  map[string]*sync.Mutex // Fills of a key take turns, as the contract wants
}

func (c *cells) note(inv store.Invalidation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if inv.All {
		for k := range c.fills {
			c.epochs[k]++
		}
		clear(c.held)
	}
	for _, k := range inv.Keys {
		c.epochs[k]++
		delete(c.held, k)
	}
}

func (c *cells) epoch(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epochs[key]
}

func (c *cells) keep(key, v string, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epochs[key] == epoch {
		c.held[key] = v
	}
}

// TestStore_Fill_foreignWrites lets another client write between the two
// commands of Fill, many times over: whatever Fill calls watched and no push
// took back must be what is in Redis at the end.
func TestStore_Fill_foreignWrites(t *testing.T) {
	p := prefix()
	s := strings(dial(t, to(server(t))), p)
	peer := strings(dial(t, to(server(t))), p)
	c := &cells{epochs: map[string]int{}, held: map[string]string{}, fills: map[string]*sync.Mutex{}}
	keys := []string{"a", "b"}
	for _, k := range keys {
		c.fills[k] = new(sync.Mutex)
	}
	defer watching(t, s, store.Watching{Changed: c.note})()
	kept, refused := 0, 0
	for round := range 60 {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 20 {
					key, v := keys[rand.IntN(len(keys))], fmt.Sprint(round, g, i)
					if g < 2 {
						if err := peer.Set(ctx, key, store.Entry[string]{Value: v}); err != nil {
							t.Error(err)
						}
						continue
					}
					c.fills[key].Lock()
					epoch := c.epoch(key)
					e, watched, err := s.Fill(ctx, key, store.Entry[string]{Value: v, ExpiresAt: store.In(time.Hour)})
					if err != nil {
						t.Error(err)
					}
					if watched {
						c.keep(key, e.Value, epoch)
					}
					c.fills[key].Unlock()
					c.mu.Lock()
					if watched {
						kept++
					} else {
						refused++
					}
					c.mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, key := range keys {
			redistest.WaitFor(t, "the copy of "+key+" to be dropped or right", func() bool {
				e, err := s.Get(ctx, key)
				c.mu.Lock()
				defer c.mu.Unlock()
				v, ok := c.held[key]
				return err == nil && (!ok || v == e.Value)
			})
		}
	}
	if kept == 0 {
		t.Error("no Fill was ever watched")
	}
	t.Logf("%d watched, %d overtaken", kept, refused)
}
