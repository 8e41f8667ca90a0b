package strata_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// upTo returns the ids 1 to n.
func upTo(n int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for id := int64(1); id <= int64(n) && yield(id); id++ {
		}
	}
}

// places runs a test with L1 alone, L2 alone and both.
func places(t *testing.T, f func(t *testing.T, b *strata.Backend)) {
	server := redistest.Start(t, nil)
	for name, c := range map[string]*strata.Config{
		"L1":        {},
		"L2":        {RedisURL: server.URL(), Memory: -1, Prefix: "l2:"},
		"L1 and L2": {RedisURL: server.URL(), Prefix: "both:"},
	} {
		t.Run(name, func(t *testing.T) { f(t, backend(t, c)) })
	}
}

func TestWarm(t *testing.T) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprint("LoadMany ", many), func(t *testing.T) {
			places(t, func(t *testing.T, b *strata.Backend) { testWarm(t, b, many) })
		})
	}
}

func testWarm(t *testing.T, b *strata.Backend, many bool) {
	var r repo
	o := &strata.Options[int64, listing]{}
	var batches atomic.Int64
	if many {
		o.LoadMany = func(ctx context.Context, ids []int64) (map[int64]listing, error) {
			batches.Add(1)
			found := make(map[int64]listing)
			for _, id := range ids {
				if l, err := r.ByID(ctx, id); err == nil {
					found[id] = l
				}
			}
			return found, nil
		}
	}
	c := listings(t, b, &r, o)
	if _, err := c.Get(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	var told []strata.WarmProgress
	ids := slices.Concat(slices.Collect(upTo(250)), []int64{-1, 7, 8})
	n, err := c.Warm(t.Context(), slices.Values(ids), &strata.WarmOptions{
		Concurrency: 3, BatchSize: 50, Progress: func(p strata.WarmProgress) { told = append(told, p) },
	})
	if err != nil || n != len(ids) {
		t.Errorf("warmed %d, %v; want %d", n, err, len(ids))
	}
	if want := (strata.WarmProgress{Done: len(ids)}); len(told) != 6 || told[5] != want {
		t.Errorf("told %v, want at last %v", told, want)
	}
	before := r.loads.Load()
	if batches := batches.Load(); many && batches > 7 {
		t.Errorf("LoadMany was called %d times", batches)
	}
	for _, id := range ids {
		e, err := c.GetEntry(t.Context(), id)
		if id < 0 && !errors.Is(err, store.ErrNotFound) || id > 0 && (err != nil || e.Value.ID != id) || e.Tier == layered.Origin {
			t.Fatalf("%d is %+v, %v", id, e, err)
		}
	}
	if r.loads.Load() != before {
		t.Errorf("%d loads after Warm", r.loads.Load()-before)
	}
	if n, err := c.Warm(t.Context(), slices.Values(ids), nil); err != nil || n != len(ids) || r.loads.Load() != before && b != nil && c.Stats().L1.MaxBytes+int64(c.Stats().L2Hits) > 0 {
		t.Errorf("again: %d, %v, %d loads", n, err, r.loads.Load()-before)
	}
}

// A new process that was warmed from Redis answers from L1, and loads nothing.
func TestWarm_fromRedis(t *testing.T) {
	server := redistest.Start(t, nil)
	var r repo
	open := func() *strata.Cache[int64, listing] {
		return listings(t, backend(t, &strata.Config{RedisURL: server.URL()}), &r, nil)
	}
	if n, err := open().Warm(t.Context(), upTo(100), nil); n != 100 || err != nil || r.loads.Load() != 100 {
		t.Fatalf("warmed %d, %v, with %d loads", n, err, r.loads.Load())
	}
	c := open()
	if n, err := c.Warm(t.Context(), upTo(100), &strata.WarmOptions{BatchSize: 30}); n != 100 || err != nil || r.loads.Load() != 100 {
		t.Fatalf("then warmed %d, %v, with %d loads", n, err, r.loads.Load())
	}
	for id := range upTo(100) {
		if e, err := c.GetEntry(t.Context(), id); err != nil || e.Tier != layered.L1 {
			t.Errorf("%d is from %v, %v", id, e.Tier, err)
		}
	}
}

// A failure of some ids does not stop the others, and the error does not grow with their
// number.
func TestWarm_failures(t *testing.T) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprint("LoadMany ", many), func(t *testing.T) {
			load := func(_ context.Context, id string) (int, error) {
				if strings.HasPrefix(id, "bad") {
					return 0, fmt.Errorf("%s: %w", id, errors.ErrUnsupported)
				}
				return len(id), nil
			}
			o := &strata.Options[string, int]{}
			if many {
				o.LoadMany = func(ctx context.Context, ids []string) (map[string]int, error) {
					found := map[string]int{}
					var errs []error
					for _, id := range ids {
						n, err := load(ctx, id)
						if errs = append(errs, err); err == nil {
							found[id] = n
						}
					}
					return found, errors.Join(errs...)
				}
			}
			c, err := strata.New(backend(t, nil), "c", load, o)
			if err != nil {
				t.Fatal(err)
			}
			var last strata.WarmProgress
			n, err := c.Warm(t.Context(), func(yield func(string) bool) {
				for i := range 100 {
					if !yield(fmt.Sprint("good", i)) || !yield(fmt.Sprint("bad", i)) {
						return
					}
				}
			}, &strata.WarmOptions{BatchSize: 10, Progress: func(p strata.WarmProgress) { last = p }})
			if n != 100 || !errors.Is(err, errors.ErrUnsupported) || last != (strata.WarmProgress{Done: 100, Failed: 100}) {
				t.Errorf("warmed %d, told %v, error %v", n, last, err)
			}
			if lines := strings.Count(err.Error(), "\n"); lines > 60 {
				t.Errorf("the error has %d lines", lines)
			}
		})
	}
}

// The error of Warm has each cause once, with a few of the ids and the number of the others,
// whatever the batches.
func TestWarm_oneCauseOnce(t *testing.T) {
	down := errors.New("the source is down")
	load := func(context.Context, int) (int, error) { return 0, down }
	for name, loadMany := range map[string]func(context.Context, []int) (map[int]int, error){
		"one by one": nil,
		"of all":     func(context.Context, []int) (map[int]int, error) { return nil, down },
		"of each id": func(_ context.Context, ids []int) (map[int]int, error) { return nil, eachFailed(ids, down) },
		"of each, odd": func(_ context.Context, ids []int) (map[int]int, error) {
			return nil, eachFailed(ids, fmt.Errorf("really: %w", down))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := strata.New(backend(t, nil), "numbers", load, &strata.Options[int, int]{LoadMany: loadMany})
			if err != nil {
				t.Fatal(err)
			}
			n, err := c.Warm(t.Context(), func(yield func(int) bool) {
				for id := range 100 {
					if !yield(id) {
						return
					}
				}
			}, &strata.WarmOptions{BatchSize: 10})
			if n != 0 || !errors.Is(err, down) {
				t.Fatalf("warmed %d, %v", n, err)
			}
			text := err.Error()
			if strings.Count(text, down.Error()) != 1 || !strings.Contains(text, " and 97 more: ") || strings.Count(text, `cache "numbers"`) != 1 || strings.Contains(text, "\n") || len(text) > 300 {
				t.Error(text)
			}
		})
	}
}

// eachFailed returns a ManyError with err for each of ids.
func eachFailed(ids []int, err error) error {
	errs := make(map[int]error)
	for _, id := range ids {
		errs[id] = err
	}
	return store.NewManyError(errs)
}

// Concurrency bounds the loads, readers join them, and they end with the context.
func TestWarm_concurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, loads, first atomic.Int64
		load := func(ctx context.Context, id int) (int, error) {
			most.Store(max(most.Load(), now.Add(1)))
			if loads.Load() == 0 {
				first.Store(int64(id)) // any of the two batches may have to wait
			}
			defer now.Add(-1)
			loads.Add(1)
			select {
			case <-time.After(time.Second):
				return id, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		b := backend(t, nil)
		defer b.Close()
		c, err := strata.New(b, "c", load, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		errStop := errors.New("stop")
		var n int
		done := make(chan struct{})
		go func() {
			defer close(done)
			n, err = c.Warm(ctx, func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
				}
			}, &strata.WarmOptions{Concurrency: 5, BatchSize: 3})
		}()
		time.Sleep(time.Second / 2)
		if got := loads.Load(); got != 5 {
			t.Errorf("%d loads in the first second", got)
		}
		start := time.Now()
		if v, err := c.Get(t.Context(), int(first.Load())); err != nil || time.Since(start) != time.Second/2 {
			t.Errorf("a reader got %d, %v after %v", v, err, time.Since(start))
		}
		time.Sleep(9 * time.Second)
		cancel(errStop)
		<-done
		if !errors.Is(err, errStop) || n < 30 || n > 50 || most.Load() != 5 {
			t.Errorf("warmed %d, %d at a time, error %v", n, most.Load(), err)
		}
	})
}

func TestWarm_options(t *testing.T) {
	var r repo
	c := listings(t, backend(t, nil), &r, nil)
	_, err := c.Warm(t.Context(), upTo(1), &strata.WarmOptions{Concurrency: -1, BatchSize: -1})
	if err == nil || !strings.Contains(err.Error(), "Concurrency") || !strings.Contains(err.Error(), "BatchSize") {
		t.Errorf("got %v", err)
	}
	if n, err := c.Warm(t.Context(), upTo(0), nil); n != 0 || err != nil {
		t.Errorf("of nothing warmed %d, %v", n, err)
	}
}

// Hottest returns the most-read ids of this process first.
func TestHottest(t *testing.T) {
	for _, e := range []strata.Engine{strata.Otter, strata.Ristretto} {
		t.Run(e.String(), func(t *testing.T) { testHottest(t, backend(t, &strata.Config{Engine: e})) })
	}
	places(t, testHottest)
}

func testHottest(t *testing.T, b *strata.Backend) {
	var r repo
	c, other := listings(t, b, &r, &strata.Options[int64, listing]{KeepHot: 100}), func() *strata.Cache[int64, int] {
		c, err := strata.New(b, "other", func(context.Context, int64) (int, error) { return 0, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}()
	reads := map[int64]int{5: 9000, 3: 6000, 9: 3000}
	for id := range upTo(50) {
		for range max(1, reads[id]) {
			if _, err := c.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := other.Get(t.Context(), 1000+id); err != nil {
			t.Fatal(err)
		}
	}
	hot, err := c.Hottest(3)
	if err != nil || len(hot) != 3 || hot[0].ID != 5 || hot[1].ID != 3 || hot[2].ID != 9 {
		t.Fatalf("got %v, %v", hot, err)
	}
	for _, h := range hot {
		if want := float64(reads[h.ID]); h.Reads < want/2 || h.Reads > want*2 {
			t.Errorf("%d was read %v times, by its word; it was %v", h.ID, h.Reads, want)
		}
	}
	all, _ := c.Hottest(1000)
	for _, h := range all {
		if h.ID > 1000 {
			t.Errorf("%v is of another cache", h)
		}
	}
}

// A new process warms the ids that all processes have read most.
func TestWarmHot(t *testing.T) {
	server := redistest.Start(t, nil)
	var r repo
	open := func() *strata.Cache[int64, listing] {
		return listings(t, backend(t, &strata.Config{RedisURL: server.URL(), Memory: 64 << 20}), &r, &strata.Options[int64, listing]{KeepHot: 50})
	}
	a, b := open(), open()
	if n, err := a.WarmHot(t.Context(), 10, nil); n != 0 || err != nil {
		t.Errorf("before anybody has saved, %d were warmed, %v", n, err)
	}
	read := func(c *strata.Cache[int64, listing], id int64, times int) {
		for range times {
			if _, err := c.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id := range upTo(100) { // each once
		read(a, id, 1)
		read(b, id, 1)
	}
	read(a, 1, 5000)
	read(a, 2, 3000)
	read(b, 3, 5000)
	read(b, 2, 3000)
	for range 3 { // the second and third time adds nothing
		for _, c := range []*strata.Cache[int64, listing]{a, b} {
			if err := c.SaveHot(t.Context(), 50); err != nil {
				t.Fatal(err)
			}
		}
	}
	hot, err := a.Tiers().SavedHot(t.Context(), 3)
	if err != nil || len(hot) != 3 || hot[0].Key != "2" || hot[0].Reads < 3000 || hot[0].Reads > 12_000 {
		t.Fatalf("the list is %v, %v", hot, err)
	}
	if err := a.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.loads.Load()
	c := open()
	if n, err := c.WarmHot(t.Context(), 3, nil); n != 3 || err != nil {
		t.Errorf("%d were warmed, %v", n, err)
	}
	if n := r.loads.Load() - before; n != 3 {
		t.Errorf("that took %d loads", n)
	}
	from := map[int64]layered.Tier{}
	for _, id := range []int64{1, 2, 3} {
		e, err := c.GetEntry(t.Context(), id)
		if err != nil {
			t.Error(err)
		}
		from[id] = e.Tier
	}
	if want := map[int64]layered.Tier{1: layered.L1, 2: layered.L1, 3: layered.L1}; !maps.Equal(from, want) {
		t.Errorf("they are from %v", from)
	}
}

func TestSaveHot_unsupported(t *testing.T) {
	var r repo
	c := listings(t, backend(t, nil), &r, nil)
	_, err := c.WarmHot(t.Context(), 1, nil)
	if err := errors.Join(err, c.SaveHot(t.Context(), 1)); strings.Count(err.Error(), errors.ErrUnsupported.Error()) != 2 {
		t.Errorf("without Redis: %v", err)
	}
}

type (
	code   [2]byte // has both methods
	secret uint16  // can be written, but not read
	word   string
	tiny   int8
	point  struct{ x, y int8 }
)

func (c code) MarshalText() ([]byte, error) { return c[:], nil }
func (c *code) UnmarshalText(b []byte) error {
	if copy(c[:], b) != 2 || len(b) != 2 {
		return errors.New("no code")
	}
	return nil
}
func (s secret) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "#%d", uint16(s)), nil }
func (p *point) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d,%d", p.x, p.y), nil }
func (p *point) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d,%d", &p.x, &p.y)
	return err
}

// Hottest returns ids in the form in which they were requested.
func TestHottest_ids(t *testing.T) {
	hottestIs(t, "a:b")
	hottestIs(t, word(""))
	hottestIs(t, int64(-1<<63))
	hottestIs(t, tiny(-128))
	hottestIs(t, 42)
	hottestIs(t, uint8(255))
	hottestIs(t, uint64(1<<64-1))
	hottestIs(t, code{'a', 0xff})
	if got := hottest(t, &point{-1, 2}); len(got) != 1 || *got[0].ID != (point{-1, 2}) {
		t.Errorf("got %v", got)
	}
	c, err := strata.New(backend(t, nil), "c", func(context.Context, secret) (int, error) { return 0, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.WarmHot(t.Context(), 1, nil)
	if _, err2 := c.Hottest(1); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err2, errors.ErrUnsupported) {
		t.Errorf("of ids that cannot be read back: %v, %v", err, err2)
	}
}

func hottest[K comparable](t *testing.T, id K) []strata.HotID[K] {
	t.Helper()
	c, err := strata.New(backend(t, nil), "c", func(context.Context, K) (int, error) { return 0, nil }, &strata.Options[K, int]{KeepHot: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	got, err := c.Hottest(10)
	if err != nil {
		t.Error(err)
	}
	return got
}

func hottestIs[K comparable](t *testing.T, id K) {
	t.Helper()
	if got := hottest(t, id); len(got) != 1 || got[0].ID != id {
		t.Errorf("of %v got %v", id, got)
	}
}

// Reads are counted and saved while others read.
func TestSaveHot_concurrently(t *testing.T) {
	server := redistest.Start(t, nil)
	var r repo
	c := listings(t, backend(t, &strata.Config{RedisURL: server.URL()}), &r, nil)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				if _, err := c.Get(t.Context(), int64(1+(i+g)%10)); err != nil {
					t.Error(err)
				}
				if i%500 == 0 {
					if err := c.SaveHot(t.Context(), 5); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	hot, err := c.Tiers().SavedHot(t.Context(), 100)
	var all float64
	for _, h := range hot {
		all += h.Reads
	}
	if err != nil || len(hot) > 10 || all > 4*8000 {
		t.Errorf("%v, %v", hot, err)
	}
}
