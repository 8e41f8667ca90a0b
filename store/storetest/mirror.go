package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A mirror keeps copies of what was read through a watched store, as a tier in
// front of it does.
type mirror struct {
	mu     sync.Mutex
	epochs map[string]int // how often a key was notified
	all    int
	copies map[string]store.Entry[Value]

	// turn makes goroutines that read or fill and keep what they got take turns, as
	// the flights of a tier do: the watchers of the own store are not notified of a
	// Fill, so nothing else would stop the slower of two from keeping the older copy.
	turn sync.Mutex
}

func (m *mirror) note(inv store.Invalidation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if inv.All {
		m.all++
		clear(m.copies)
	}
	for _, key := range inv.Keys {
		m.epochs[key]++
		delete(m.copies, key)
	}
}

// epoch is read before an entry is asked for, and compared when it has come.
func (m *mirror) epoch(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epochs[key] + m.all
}

// keep keeps e unless key was notified since epoch.
func (m *mirror) keep(key string, e store.Entry[Value], epoch int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epochs[key]+m.all == epoch {
		m.copies[key] = e
	}
}

func (m *mirror) copy(key string) (store.Entry[Value], bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.copies[key]
	return e, ok
}

// mirror reads, fills and changes a key from many sides at once, again and again.
// It fails if a copy is left that differs from what the store holds. The rounds
// are short because what a later change repairs would not be noticed.
func (c *check) mirror(fill bool) {
	m := &mirror{epochs: map[string]int{}, copies: map[string]store.Entry[Value]{}}
	c.Cleanup(c.watching(store.Watching{Changed: m.note}))
	writers := []store.Store[Value]{c.s}
	if c.h.Peer != nil {
		writers = append(writers, c.peer())
	}
	var last atomic.Int64
	const readers = 2
	for round := range 100 {
		key := fmt.Sprint("k", round%3)
		c.together(readers+len(writers), func(g int) error {
			if g >= readers {
				return c.change(writers[g-readers], key, last.Add(1))
			}
			for i := range 3 {
				var err error
				if fill && i == g {
					err = c.mirrorFill(m, key, last.Add(1))
				} else {
					err = c.mirrorGet(m, key)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		c.until(fmt.Sprintf("the copy of %s is dropped or right again", key), func() bool {
			held, err := c.s.Get(c.ctx, key)
			if err != nil && err != store.ErrNotFound {
				c.Fatalf("Get: %v", err)
			}
			kept, ok := m.copy(key)
			return !ok || kept.Value.Equal(held.Value) || err == store.ErrNotFound && c.h.Lossy
		})
	}
}

// change sets key to n, or deletes it.
func (c *check) change(s store.Store[Value], key string, n int64) error {
	if n%5 == 0 {
		return s.Delete(c.ctx, key)
	}
	return s.Set(c.ctx, key, store.Entry[Value]{Value: number(n), ExpiresAt: store.In(hour)})
}

func (c *check) mirrorGet(m *mirror, key string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	epoch := m.epoch(key)
	e, err := c.s.Get(c.ctx, key)
	if err == nil {
		m.keep(key, e, epoch)
	} else if err == store.ErrNotFound {
		return nil
	}
	return err
}

func (c *check) mirrorFill(m *mirror, key string, n int64) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	epoch := m.epoch(key)
	kept, watched, err := c.s.(store.Filler[Value]).Fill(c.ctx, key, store.Entry[Value]{Value: number(n), ExpiresAt: store.In(hour)})
	if err == nil && watched {
		m.keep(key, kept, epoch)
	}
	return err
}
