package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// testStress has writers, readers and neighbours work on keys that collide, in a
// budget that is too small for them. A reader never finds an entry that was
// replaced or deleted before it began, nor one of another key or store.
func testStress(t *testing.T, e *Engine) {
	for _, c := range []struct {
		name  string
		mask  uint64 // of the hashes
		bytes int64  // entries cost 10 to 50
		keys  int
	}{
		{"roomy", ^uint64(0), 1 << 20, 20},
		{"crowded", ^uint64(0), 2000, 400},
		{"colliding", 0x0f, 1 << 20, 40},
		{"colliding and crowded", 0x7f, 1000, 200},
		{"one hash", 0, 1 << 20, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e.stress(t, c.bytes, c.mask, c.keys)
		})
	}
}

func (e *Engine) stress(t *testing.T, bytes int64, mask uint64, keys int) {
	const writers, readers, enough = 10, 4, 200
	writes := 30_000
	if raceEnabled || testing.Short() {
		writes = 4_000
	}
	b := e.open(t, bytes)
	s := e.Versions(b, func(_ string, e *store.Entry[Versioned]) int64 { return 10 + e.Value.n%40 })
	other := e.Texts(b, func(string, *store.Entry[string]) int64 { return 10 })
	s.Collide(mask)
	other.Collide(mask)

	floor := make([]atomic.Int64, keys) // the lowest version that may still be found
	var hits atomic.Int64
	var writing atomic.Int64
	var all sync.WaitGroup
	deadline := time.Now().Add(time.Minute)
	for w := range writers {
		writing.Add(1)
		all.Go(func() {
			defer writing.Add(-1)
			for i := 0; i < writes/writers || hits.Load() < enough && time.Now().Before(deadline); i++ {
				k := w + i%(keys/writers)*writers // no other writes this one
				floor[k].Store(write(t, s, fmt.Sprint("key ", k), floor[k].Load()+1))
			}
		})
	}
	for range readers {
		all.Go(func() {
			for writing.Load() > 0 {
				k := rand.IntN(keys)
				key := fmt.Sprint("key ", k)
				least := floor[k].Load()
				v, ok := get(t, s, key)
				if ok && (v.key != key || v.n < least) {
					t.Errorf("Get of %q found version %d of %q when all below %d were replaced", key, v.n, v.key, least)
					return
				}
				if ok {
					hits.Add(1)
				}
			}
		})
	}
	all.Go(func() { // a neighbour with the same keys and another type
		for writing.Load() > 0 {
			key := fmt.Sprint("key ", rand.IntN(keys))
			set(t, other, key, key)
			if v, ok := get(t, other, key); ok && v != key {
				t.Errorf("the neighbour found %q under %q", v, key)
				return
			}
			if rand.IntN(100) == 0 {
				_ = other.Clear(ctx)
			}
		}
	})
	all.Wait()
	b.Settle()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	t.Logf("%d hits; %+v", hits.Load(), stats(t, s))
	if hits.Load() < enough {
		t.Errorf("the readers found something %d times only", hits.Load())
	}
}

// write makes version n the one under key, in one way or another, and returns
// the lowest version that may be found from now on.
func write(t *testing.T, s View[Versioned], key string, n int64) int64 {
	e := store.Entry[Versioned]{Value: Versioned{key, n}}
	if n%5 == 0 {
		e.ExpiresAt = store.In(time.Hour)
	}
	err := s.Set(ctx, key, e)
	switch n % 48 {
	case 3:
		err = errors.Join(err, s.Delete(ctx, key))
		n++
	case 7:
		if x := s.Expire(ctx, key, time.Minute); !errors.Is(x, store.ErrNotFound) {
			err = errors.Join(err, x)
		}
	case 9:
		if x := s.Expire(ctx, key, 0); !errors.Is(x, store.ErrNotFound) {
			err = errors.Join(err, x)
		}
		n++
	case 11, 27:
		_, x := s.DeletePattern(ctx, key)
		err = errors.Join(err, x)
		n++
	case 13:
		err = errors.Join(err, s.Set(ctx, key, store.Entry[Versioned]{ExpiresAt: 1}))
		n++
	case 15:
		if key == "key 0" {
			err = errors.Join(err, s.Clear(ctx))
			n++
		}
	}
	if err != nil {
		t.Error(err)
	}
	return n
}

// What was set is found at once, whatever the engine is busy with, as long as
// there is room for it.
func testStresssetIsFoundAtOnce(t *testing.T, e *Engine) {
	b := e.open(t, 1<<30)
	s := e.Ints(b, one[int])
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 4000 { // fewer changes than the engine takes at a time
				key := fmt.Sprint(g, " ", i)
				for n := range 2 {
					set(t, s, key, n)
					if v, ok := get(t, s, key); !ok || v != n {
						t.Errorf("Get after Set %d of %q: %d, %v", n, key, v, ok)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// Close beside everything else: no panic, no race, and ErrClosed afterwards.
func testBudgetCloseconcurrent(t *testing.T, e *Engine) {
	for range 20 {
		b := e.open(t, 1<<20)
		s := e.Ints(b, nil)
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprint((g + i) % 100)
					var err error
					switch i % 8 {
					case 0:
						err = s.Set(ctx, key, store.Entry[int]{Value: i})
					case 1:
						err = s.Delete(ctx, key)
					case 2:
						_, err = s.DeletePattern(ctx, key)
					default:
						_, err = s.Get(ctx, key)
					}
					if errors.Is(err, store.ErrClosed) {
						return
					}
					if i == 500 && g == 0 {
						all.Go(b.Close)
						all.Go(b.Close)
					}
				}
			})
		}
		all.Wait()
	}
}
