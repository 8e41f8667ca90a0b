package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

var concurrentRules = []rule{{
	name: "Concurrent/own keys",
	says: "Get never returns an entry that a completed Set or Delete of the same key has replaced.",
	run: func(c *check) {
		c.together(8, func(g int) error {
			for n := range int64(100) {
				key := fmt.Sprintf("own:%d:%d", g, n%5)
				if err := c.s.Set(c.ctx, key, store.Entry[Value]{Value: number(n)}); err != nil {
					return err
				}
				switch e, err := c.s.Get(c.ctx, key); {
				case err == store.ErrNotFound && c.h.Lossy:
				case err != nil:
					return fmt.Errorf("a Get after Set %d: %w", n, err)
				case !e.Value.Equal(number(n)):
					return fmt.Errorf("a Get after Set %d found %v", n, e.Value)
				}
				if n%3 != 0 {
					continue
				}
				if err := c.s.Delete(c.ctx, key); err != nil {
					return err
				}
				if e, err := c.s.Get(c.ctx, key); err != store.ErrNotFound {
					return fmt.Errorf("a Get after Delete %d found %v, error %w", n, e.Value, err)
				}
			}
			return nil
		})
	},
}, {
	name: "Concurrent/one writer",
	says: "While a key is written, readers never see a value that is older than the last completed write.",
	run: func(c *check) {
		const keys, readers, reads = 3, 2, 300
		var floor [keys]atomic.Int64 // the lowest number that may still be seen
		var reading atomic.Int64     // readers that go on
		reading.Store(keys * readers)
		c.together(keys*(1+readers), func(g int) error {
			k := g % keys
			key := fmt.Sprint("shared:", k)
			if g < keys {
				return c.writeNumbers(key, &floor[k], &reading)
			}
			defer reading.Add(-1)
			for n := 0; n < reads && c.ctx.Err() == nil; {
				least := floor[k].Load()
				if least < 2 {
					runtime.Gosched()
					continue // nothing was replaced yet
				}
				n++
				e, err := c.s.Get(c.ctx, key)
				if err == nil && e.Value.Number < least {
					return fmt.Errorf("a Get of %s found %d when everything below %d was replaced", key, e.Value.Number, least)
				}
				if err != nil && err != store.ErrNotFound {
					return err
				}
			}
			return c.ctx.Err()
		})
	},
}, {
	name: "Concurrent/everything",
	says: "Everything is safe for concurrent use.",
	run: func(c *check) {
		// The race detector and the runtime's own checks are the judges here.
		c.together(8, func(g int) error {
			for n := range 5 { // in a cluster each Clear takes MaxDisconnected
				for _, op := range calls() {
					if op.on != "" && !op.on.of(c.s) || op.on == Clearer && n != g { // Clear may take long
						continue
					}
					if err := op.do(c.ctx, c.s); err != nil && !errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("%s: %w", op.name, err)
					}
				}
				if w, ok := c.s.(store.Watcher); ok && n%5 == g%5 {
					stop, err := w.Watch(store.Watching{Changed: func(store.Invalidation) {}})
					if err != nil {
						return err
					}
					defer stop()
				}
			}
			return nil
		})
	},
}}

// writeNumbers sets key to 1, 2, 3 ... and deletes it now and then, as long as
// there are readers.
func (c *check) writeNumbers(key string, floor, reading *atomic.Int64) error {
	defer func() { floor.Store(max(2, floor.Load())) }() // readers must not wait for one that failed
	for n := int64(1); reading.Load() > 0; n++ {
		if err := c.s.Set(c.ctx, key, store.Entry[Value]{Value: Value{Number: n}}); err != nil {
			return err
		}
		floor.Store(n)
		if n%4 != 0 {
			continue
		}
		if err := c.s.Delete(c.ctx, key); err != nil {
			return err
		}
		floor.Store(n + 1)
	}
	return nil
}

// together runs do(0) to do(n-1) at once and fails with their errors.
func (c *check) together(n int, do func(g int) error) {
	c.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { errs[g] = do(g) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			c.Errorf("%v", err)
		}
	}
}
