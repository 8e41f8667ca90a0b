package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A table is a source with batch loads. The value of a row is its id, unless that is
// negative.
type table struct {
	takes time.Duration
	err   func(ids []int) error
	panic any

	mu   sync.Mutex
	asks [][]int
	at   []time.Time
	over []error // causes of loads that were cancelled
}

func (s *table) load(ctx context.Context, ids []int) (map[int]int, error) {
	ids = slices.Sorted(slices.Values(ids))
	s.mu.Lock()
	s.asks, s.at = append(s.asks, ids), append(s.at, time.Now())
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		s.mu.Lock()
		s.over = append(s.over, context.Cause(ctx))
		s.mu.Unlock()
		return nil, context.Cause(ctx)
	}
	if s.panic != nil {
		panic(s.panic)
	}
	values := map[int]int{}
	var err error
	if s.err != nil {
		err = s.err(ids)
	}
	for _, id := range ids {
		if id >= 0 && err == nil {
			values[id] = id
		}
	}
	return values, err
}

// windowed runs f with a cache of s, in a synctest bubble.
func windowed(t *testing.T, s *table, o strata.Options[int, int], f func(t *testing.T, c *strata.Cache[int, int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		o.LoadMany = s.load
		c, err := strata.New(b, "x", nil, &o)
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
	})
}

// getAll gets ids concurrently, and returns the results.
func getAll(t *testing.T, c *strata.Cache[int, int], ids ...int) (values []int, errs []error) {
	values, errs = make([]int, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { values[i], errs[i] = c.Get(t.Context(), id) })
	}
	wg.Wait()
	return values, errs
}

func TestBatchWindow(t *testing.T) {
	s := &table{takes: time.Second}
	windowed(t, s, strata.Options[int, int]{BatchWindow: 10 * time.Millisecond}, func(t *testing.T, c *strata.Cache[int, int]) {
		began := time.Now()
		done := make(chan struct{}, 2)
		go func() { // a caller within the window joins, one after it does not
			time.Sleep(9 * time.Millisecond)
			getAll(t, c, 4)
			done <- struct{}{}
		}()
		go func() {
			time.Sleep(11 * time.Millisecond)
			getAll(t, c, 5)
			done <- struct{}{}
		}()
		values, errs := getAll(t, c, 1, 2, 3, -1, 1)
		if took := time.Since(began); took != s.takes+10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if !slices.Equal(values, []int{1, 2, 3, 0, 1}) || !errors.Is(errs[3], store.ErrNotFound) || errors.Join(errs[:3]...) != nil {
			t.Errorf("got %v, %v", values, errs)
		}
		<-done
		<-done
		if fmt.Sprint(s.asks) != "[[-1 1 2 3 4] [5]]" {
			t.Errorf("asked for %v", s.asks)
		}
		if getAll(t, c, 1, 2, -1); len(s.asks) != 2 {
			t.Error("what was loaded in a window was not kept")
		}
	})
}

func TestBatchSize(t *testing.T) {
	s := &table{takes: time.Second}
	o := strata.Options[int, int]{BatchWindow: 10 * time.Second, BatchSize: 3}
	windowed(t, s, o, func(t *testing.T, c *strata.Cache[int, int]) {
		began := time.Now()
		getAll(t, c, 0, 1, 2, 3, 4, 5, 6)
		if len(s.asks) != 3 || len(s.asks[0]) != 3 || len(s.asks[1]) != 3 || len(s.asks[2]) != 1 {
			t.Errorf("asked for %v, want 3, 3 and what is left", s.asks)
		}
		if !s.at[1].Equal(began) || s.at[2].Sub(began) != 10*time.Second {
			t.Errorf("asked at %v: full batches go at once, the rest after the window", s.at)
		}
	})
	s = &table{}
	windowed(t, s, strata.Options[int, int]{BatchWindow: 10 * time.Second}, func(t *testing.T, c *strata.Cache[int, int]) {
		ids := make([]int, 200)
		for i := range ids {
			ids[i] = i
		}
		if getAll(t, c, ids...); len(s.asks) != 2 || len(s.asks[0]) != 100 || len(s.asks[1]) != 100 {
			t.Errorf("%d questions, want 2 of 100", len(s.asks))
		}
	})
}

// An error of one id reaches the callers of that id; an error of all reaches all.
func TestBatchWindow_errors(t *testing.T) {
	down, odd := errors.New("down"), errors.New("odd")
	o := strata.Options[int, int]{BatchWindow: time.Millisecond}
	byID := func(ids []int) error {
		errs := map[int]error{}
		for _, id := range ids {
			if id%2 == 1 {
				errs[id] = odd
			}
		}
		return store.NewManyError(errs)
	}
	windowed(t, &table{err: byID}, o, func(t *testing.T, c *strata.Cache[int, int]) {
		_, errs := getAll(t, c, 1, 2)
		if !errors.Is(errs[0], odd) || !errors.Is(errs[1], store.ErrNotFound) {
			t.Errorf("got %v, want that of 1, and nothing of 2, which is in neither map", errs)
		}
	})
	windowed(t, &table{err: func([]int) error { return down }}, o, func(t *testing.T, c *strata.Cache[int, int]) {
		if _, errs := getAll(t, c, 1, 2); !errors.Is(errs[0], down) || !errors.Is(errs[1], down) {
			t.Errorf("got %v, want it down for both", errs)
		}
	})
	s := &table{panic: down}
	windowed(t, s, o, func(t *testing.T, c *strata.Cache[int, int]) {
		if _, errs := getAll(t, c, 1, 2); !errors.Is(errs[0], down) || !errors.Is(errs[1], down) {
			t.Errorf("got %v, want the panic for both", errs)
		}
		s.panic = nil
		if values, errs := getAll(t, c, 1, 2); values[1] != 2 || errs[1] != nil {
			t.Errorf("after a panic: %v, %v", values, errs)
		}
	})
}

// A load continues while it has a waiter, and has the values of the first caller's context.
func TestBatchWindow_cancelledWhenAllHaveLeft(t *testing.T) {
	s := &table{takes: time.Hour}
	o := strata.Options[int, int]{BatchWindow: 10 * time.Millisecond, LoadTimeout: -1}
	windowed(t, s, o, func(t *testing.T, c *strata.Cache[int, int]) {
		get := func(id int) (leave func()) {
			ctx, cancel := context.WithCancel(t.Context())
			go c.Get(ctx, id)
			synctest.Wait()
			return cancel
		}
		leave1, leave2, leave3 := get(1), get(2), get(3)
		leave3()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if fmt.Sprint(s.asks) != "[[1 2]]" {
			t.Errorf("asked for %v: nobody wanted 3 any more", s.asks)
		}
		leave1()
		synctest.Wait()
		if len(s.over) != 0 {
			t.Error("the load was cancelled though one waits for it")
		}
		leave2()
		synctest.Wait()
		if len(s.over) != 1 {
			t.Error("the load goes on though nobody waits")
		}
		get(4)() // leaves before the window has passed
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.asks) != 1 {
			t.Errorf("asked for %v, for nobody", s.asks)
		}
		// Close ends batches that are being gathered or loaded, and waits for them.
		get(5)
		time.Sleep(time.Second)
		synctest.Wait()
		get(6)
		c.Close()
		if len(s.asks) != 2 || len(s.over) != 2 {
			t.Errorf("after Close: asked for %v, %d cancelled", s.asks, len(s.over))
		}
	})
}

// Close waits for a load that does not end at once, for the Cache and for the Backend.
func TestBatchWindow_closeWaits(t *testing.T) {
	for name, closing := range map[string]func(*strata.Backend, *strata.Cache[int, int]) error{
		"the cache":   func(_ *strata.Backend, c *strata.Cache[int, int]) error { return c.Close() },
		"the backend": func(b *strata.Backend, _ *strata.Cache[int, int]) error { return b.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			b, err := strata.Open(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			over := false
			c, err := strata.New(b, "x", nil, &strata.Options[int, int]{
				BatchWindow: time.Millisecond,
				LoadMany: func(ctx context.Context, _ []int) (map[int]int, error) {
					<-ctx.Done()
					time.Sleep(time.Second)
					over = true
					return nil, ctx.Err()
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			go c.Get(t.Context(), 1)
			time.Sleep(time.Second)
			if err := closing(b, c); err != nil || !over {
				t.Errorf("%s: %v, and a load is under way: %v", name, err, !over)
			}
		})
	}
}

// The load has the latest deadline of its waiters, and the context values of the first.
func TestBatchWindow_context(t *testing.T) {
	type key struct{}
	var got context.Context
	synctest.Test(t, func(t *testing.T) {
		b, _ := strata.Open(t.Context(), nil)
		defer b.Close()
		c, err := strata.New(b, "x", nil, &strata.Options[int, int]{
			BatchWindow: time.Second, LoadTimeout: 10 * time.Second,
			LoadMany: func(ctx context.Context, ids []int) (map[int]int, error) { got = ctx; return nil, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { c.Get(context.WithValue(t.Context(), key{}, i), i) })
			time.Sleep(time.Second / 2)
		}
		wg.Wait()
		at, ok := got.Deadline()
		if got.Value(key{}) != 0 || !ok || at.Sub(began) != 10*time.Second+time.Second/2 {
			t.Errorf("the context has %v and ends after %v", got.Value(key{}), at.Sub(began))
		}
		if got.Err() == nil {
			t.Error("the context is not over")
		}
	})
}

// An id deleted while it waits in the window is not answered with an older value.
func TestBatchWindow_deletedMeanwhile(t *testing.T) {
	s := &table{takes: time.Second}
	windowed(t, s, strata.Options[int, int]{BatchWindow: time.Second}, func(t *testing.T, c *strata.Cache[int, int]) {
		go c.Get(t.Context(), 1)
		time.Sleep(time.Second + time.Second/2) // the load has begun
		if err := c.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), 1); err != nil || len(s.asks) != 2 {
			t.Errorf("%d loads, %v: what came after the Delete joined a load from before", len(s.asks), err)
		}
	})
}

// LoadEntries loads batches like LoadMany, and its fields apply to single values.
func TestBatchWindow_loadEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		loads := 0
		c, err := strata.New(b, "x", nil, &strata.Options[int, int]{
			BatchWindow: time.Millisecond,
			LoadEntries: func(_ context.Context, ids []int) (map[int]strata.Loaded[int], error) {
				loads++
				return map[int]strata.Loaded[int]{1: {Value: 1}, 2: {Value: 2, TTL: strata.NoStore}}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for want := range 2 {
			values, errs := getAll(t, c, 1, 2)
			if values[0] != 1 || values[1] != 2 || errors.Join(errs...) != nil || loads != want+1 {
				t.Errorf("got %v, %v after %d loads: 2 is not to be kept", values, errs, loads)
			}
		}
	})
}

// A caller after a Delete has a separate load and value, though the load from before has
// not started.
func TestBatchWindow_sameIDTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		c, err := strata.New(b, "x", nil, &strata.Options[int, *int]{
			BatchWindow: time.Second, DecodeEach: true,
			LoadMany: func(_ context.Context, ids []int) (map[int]*int, error) {
				m := map[int]*int{}
				for _, id := range ids {
					m[id] = &id
				}
				return m, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		values := make(chan *int, 2)
		get := func() {
			v, err := c.Get(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
			values <- v
		}
		go get()
		synctest.Wait()
		if err := c.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		go get()
		if v, w := <-values, <-values; v == w || *v != 1 || *w != 1 {
			t.Errorf("two callers got %p and %p", v, w)
		}
	})
}

func TestBatchWindow_mistakes(t *testing.T) {
	many := (&table{}).load
	for name, o := range map[string]strata.Options[int, int]{
		"no LoadMany":     {BatchWindow: time.Second},
		"negative window": {BatchWindow: -1, LoadMany: many},
		"negative size":   {BatchWindow: 1, BatchSize: -1, LoadMany: many},
		"size alone":      {BatchSize: 1, LoadMany: many},
	} {
		b := backend(t, nil)
		if _, err := strata.New(b, "x", func(context.Context, int) (int, error) { return 0, nil }, &o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
