package otterstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
)

// A versioned value says which write it is of, and under which key.
type versioned struct {
	key string
	n   int64
}

// TestStress has writers, readers and neighbours work on keys that collide, in a
// budget that is too small for them. A reader never finds an entry that was
// replaced or deleted before it began, nor one of another key or store.
func TestStress(t *testing.T) {
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
			stress(t, c.bytes, c.mask, c.keys)
		})
	}
}

func stress(t *testing.T, bytes int64, mask uint64, keys int) {
	const writers, readers, enough = 10, 4, 200
	writes := 30_000
	if raceEnabled || testing.Short() {
		writes = 4_000
	}
	b := open(t, bytes)
	s := otterstore.New(b, &otterstore.Options[versioned]{
		Cost: func(_ string, e *store.Entry[versioned]) int64 { return 10 + e.Value.n%40 },
	})
	other := otterstore.New(b, &otterstore.Options[string]{
		Cost: func(string, *store.Entry[string]) int64 { return 10 },
	})
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
				k := w + i%(keys/writers)*writers // nobody else writes this one
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
func write(t *testing.T, s *otterstore.Store[versioned], key string, n int64) int64 {
	e := store.Entry[versioned]{Value: versioned{key, n}}
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
		err = errors.Join(err, s.Set(ctx, key, store.Entry[versioned]{ExpiresAt: 1}))
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
func TestStress_setIsFoundAtOnce(t *testing.T) {
	b := open(t, 1<<30)
	s := otterstore.New(b, &otterstore.Options[int]{
		Cost: func(string, *store.Entry[int]) int64 { return 1 },
	})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 4000 { // less than what the engine can be told at a time
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
func TestBudget_Close_concurrent(t *testing.T) {
	for range 20 {
		b := open(t, 1<<20)
		s := otterstore.New[int](b, nil)
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
