package benchmarks_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

const (
	stampeders = 1000
	loadTime   = 20 * time.Millisecond
)

// A source is a slow source that counts its loads.
type source struct{ loads atomic.Int64 }

func (s *source) load(context.Context, string) (listing, error) {
	s.loads.Add(1)
	time.Sleep(loadTime)
	return newListing(1), nil
}

func (s *source) loadEntry(ctx context.Context, key string) (store.Entry[listing], error) {
	v, err := s.load(ctx, key)
	return store.Entry[listing]{Value: v}, err
}

// BenchmarkStampede has 1,000 callers ask for one cold key at the same moment, from a
// source that takes 20 ms. An operation is one such stampede. loads/op is the number of
// loads; p50-ms and p99-ms are how long callers waited after their common start.
func BenchmarkStampede(b *testing.B) {
	src := new(source)
	for _, c := range stampedes(b, src) {
		b.Run("impl="+c.name, func(b *testing.B) { benchStampede(b, src, c.get) })
	}
}

func benchStampede(b *testing.B, src *source, get func(key string) error) {
	waits := make([]time.Duration, 0, 1<<16)
	src.loads.Store(0)
	n := 0
	for b.Loop() {
		more, err := stampede(get, coldKey())
		if err != nil {
			b.Fatal(err)
		}
		waits = append(waits, more...)
		n++
	}
	slices.Sort(waits)
	b.ReportMetric(float64(src.loads.Load())/float64(n), "loads/op")
	b.ReportMetric(milliseconds(waits[len(waits)/2]), "p50-ms")
	b.ReportMetric(milliseconds(waits[len(waits)*99/100]), "p99-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// stampede returns the waiting time of each caller.
func stampede(get func(key string) error, key string) ([]time.Duration, error) {
	var (
		wg    sync.WaitGroup
		ready sync.WaitGroup
		gate  = make(chan struct{})
		start time.Time
		waits = make([]time.Duration, stampeders)
		errs  = make([]error, stampeders)
	)
	ready.Add(stampeders)
	for i := range stampeders {
		wg.Go(func() {
			ready.Done()
			<-gate
			errs[i] = get(key)
			waits[i] = time.Since(start)
		})
	}
	ready.Wait()
	start = time.Now()
	close(gate)
	wg.Wait()
	return waits, errors.Join(errs...)
}

// A stampedeImpl is a contender that takes a key.
type stampedeImpl struct {
	name string
	get  func(key string) error
}

func stampedes(t testing.TB, src *source) []stampedeImpl {
	t.Helper()
	bare, loading := rawOtter[listing](t), rawOtter[listing](t)
	ls := openLayered(t, openL1[listing](t, strata.Otter), nil)
	remote := redisstore.New(dial(t), &redisstore.Options[listing]{Prefix: prefix()})
	both := openLayered(t, openL1[listing](t, strata.Otter), remote)
	cache := openCacheOn(t, &strata.Config{RedisURL: server(t).URL(), Memory: memory, Prefix: prefix()}, src.load)
	return []stampedeImpl{
		{"otter", func(key string) error {
			if _, ok := bare.GetIfPresent(key); !ok {
				v, err := src.load(ctx, key)
				if err != nil {
					return err
				}
				bare.Set(key, v)
			}
			return nil
		}},
		{"otter-loader", func(key string) error {
			_, err := loading.Get(ctx, key, otter.LoaderFunc[string, listing](src.load))
			return err
		}},
		{"layered-L1", func(key string) error { _, err := ls.GetOrLoad(ctx, key, src.loadEntry); return err }},
		{"layered", func(key string) error { _, err := both.GetOrLoad(ctx, key, src.loadEntry); return err }},
		{"strata", func(key string) error { _, err := cache.Get(ctx, key); return err }},
	}
}

// TestStampede_loadsOnce tests the claim behind loads/op, which does not depend on time.
func TestStampede_loadsOnce(t *testing.T) {
	src := new(source)
	for _, c := range stampedes(t, src) {
		src.loads.Store(0)
		if _, err := stampede(c.get, coldKey()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := src.loads.Load(); n != 1 && c.name != "otter" {
			t.Errorf("%s asked the source %d times", c.name, n)
		}
	}
}
