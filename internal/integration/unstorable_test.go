package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A pickyCodec cannot encode negative numbers, and panics for odd ones.
type pickyCodec struct{ codec.Codec[int] }

func (c pickyCodec) Append(dst []byte, v int) ([]byte, error) {
	switch {
	case v >= 0:
		return c.Codec.Append(dst, v)
	case v%2 == 0:
		return dst, errors.New("a negative number")
	}
	panic("a negative number")
}

// failedOps counts the operations that failed because of a value.
type failedOps struct{ n atomic.Int64 }

func (o *failedOps) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }

func (o *failedOps) End(_ context.Context, _ store.Op, r store.Result) {
	if errors.Is(r.Err, store.ErrUnstorable) {
		o.n.Add(1)
	}
}

// pickyCaches returns the caches of n processes, with the i-th loader for the i-th.
func pickyCaches(t *testing.T, url string, n int, o strata.Options[int, int], observer store.Observer, load func(i int, id int) (int, error)) (caches []*strata.Cache[int, int]) {
	t.Helper()
	o.Codec = pickyCodec{codec.Msgpack[int]()}
	for i := range n {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Observer: observer})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New(b, "picky", func(_ context.Context, id int) (int, error) { return load(i, id) }, &o)
		if err != nil {
			t.Fatal(err)
		}
		caches = append(caches, c)
	}
	return caches
}

// A value that Redis cannot hold is returned to all waiters of its load, with and without
// Redis, and no process waits for its lease.
func TestUnstorable_loadAnswersAll(t *testing.T) {
	for name, url := range map[string]string{"L1 alone": "", "two tiers": redistest.Start(t, nil).URL()} {
		for _, v := range []int{-1, -2} {
			t.Run(fmt.Sprint(name, " ", v), func(t *testing.T) {
				observer := &failedOps{}
				var joined sync.WaitGroup
				joined.Add(1)
				c := pickyCaches(t, url, 1, strata.Options[int, int]{}, observer, func(int, int) (int, error) {
					joined.Wait()
					return v, nil
				})[0]
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						if got, err := c.Get(t.Context(), 1); got != v || err != nil {
							t.Errorf("Get returned %d, %v", got, err)
						}
					})
				}
				redistest.WaitFor(t, "all to join", func() bool { return c.Stats().Shared >= 19 })
				joined.Done()
				wg.Wait()
				st := c.Stats()
				if st.Loads != 1 {
					t.Errorf("%d loads", st.Loads)
				}
				if url == "" {
					return // L1 holds values unencoded
				}
				if st.EncodeErrors != 1 || st.L2Errors != 0 || observer.n.Load() != 1 {
					t.Errorf("counted %d values and %d errors of Redis; the Observer was called %d times", st.EncodeErrors, st.L2Errors, observer.n.Load())
				}
			})
		}
	}
}

// A value in a batch that Redis cannot hold does not prevent the others from being kept,
// and its lease is released.
func TestUnstorable_batch(t *testing.T) {
	cs := pickyCaches(t, redistest.Start(t, nil).URL(), 2, strata.Options[int, int]{}, nil, func(_ int, id int) (int, error) {
		if id == 3 {
			return -3, nil
		}
		return id, nil
	})
	ids := []int{1, 2, 3, 4}
	for i, c := range cs {
		got, err := c.GetMany(t.Context(), ids)
		if err != nil || len(got) != 4 || got[3] != -3 || got[4] != 4 {
			t.Errorf("process %d got %v, %v", i, got, err)
		}
	}
	if st := cs[1].Stats(); st.Waits != 0 || st.L2Hits != 3 {
		t.Errorf("the second process waited %d times, and Redis had %d of the values", st.Waits, st.L2Hits)
	}
}

// A Set of a value that Redis cannot hold is an error, and changes nothing.
func TestUnstorable_Set(t *testing.T) {
	for _, each := range []bool{false, true} {
		for _, url := range []string{"", redistest.Start(t, nil).URL()} {
			if url == "" && !each {
				continue // L1 holds values unencoded
			}
			t.Run(fmt.Sprintf("Redis %v, DecodeEach %v", url != "", each), func(t *testing.T) {
				c := pickyCaches(t, url, 1, strata.Options[int, int]{DecodeEach: each}, nil, func(_ int, id int) (int, error) { return id, nil })[0]
				if _, err := c.GetMany(t.Context(), []int{1, 2}); err != nil {
					t.Fatal(err)
				}
				for name, set := range map[string]func(int) error{
					"Set":     func(v int) error { return c.Set(t.Context(), 1, v) },
					"SetMany": func(v int) error { return c.SetMany(t.Context(), map[int]int{1: v, 2: v}) },
				} {
					for _, v := range []int{-1, -2} {
						if err := set(v); !errors.Is(err, store.ErrUnstorable) {
							t.Errorf("%s of %d returned %v", name, v, err)
						}
					}
				}
				got, err := c.GetMany(t.Context(), []int{1, 2})
				if err != nil || got[1] != 1 || got[2] != 2 {
					t.Errorf("the values are %v, %v", got, err)
				}
				if st := c.Stats(); st.Loads != 1 || st.RetryQueue != 0 {
					t.Errorf("%d loads, %d keys pending", st.Loads, st.RetryQueue)
				}
			})
		}
	}
}
