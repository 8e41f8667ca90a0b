package layered_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// distance returns how far the distribution of draws is from that of a number which is
// Exp(1) times mean: the largest difference of the two (Kolmogorov and Smirnov).
func distance(draws []time.Duration, mean time.Duration) (most float64) {
	slices.Sort(draws)
	n := float64(len(draws))
	for i, d := range draws {
		p := 1 - math.Exp(-float64(d)/float64(mean))
		most = max(most, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return most
}

// The moment is drawn as the paper says: the time of the load, times beta, times a number
// that is Exp(1). That draws of it are further from it than the bound happens once in
// thirty million times.
func TestRefreshBeta_distribution(t *testing.T) {
	const n, took = 4000, 100 * time.Second // so long that the milliseconds of a store.Time do not matter
	bound := 3 / math.Sqrt(n)
	for _, beta := range []float64{1, 2} {
		s, first, second := tiers(t, &layered.Options[int]{RefreshBeta: beta, Jitter: -1})
		end := store.In(time.Hour)
		var draws []time.Duration
		for i := range n {
			key := fmt.Sprint(i)
			second.Store.Set(t.Context(), key, store.Entry[int]{ExpiresAt: end, LoadTime: took})
			s.Get(t.Context(), key)
			e, err := first.Get(t.Context(), key)
			if err != nil || e.RefreshAt == 0 {
				t.Fatalf("to be loaded anew at %v, %v", e.RefreshAt, err)
			}
			draws = append(draws, end.Sub(e.RefreshAt))
		}
		if d := distance(draws, time.Duration(beta*float64(took))); d > bound {
			t.Errorf("beta %v: %.3f away from what is wanted, at most %.3f", beta, d, bound)
		}
		if d := distance(draws, time.Duration((3-beta)*float64(took))); d < bound {
			t.Errorf("the test does not tell beta %v from %v", beta, 3-beta)
		}
	}
}

// leads reads n values whose loads take so long once a second, and returns how long
// before their ends they were loaded anew, on average.
func leads(t *testing.T, takes time.Duration) (average time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		const n, life = 200, 100 * time.Second
		s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{TTL: life, RefreshBeta: 1, RefreshLimit: n, Jitter: -1})
		defer s.Close()
		began, sources := store.Now(), make([]row, n)
		var wg sync.WaitGroup
		for i := range sources {
			sources[i].takes = takes
			wg.Go(func() { mustGet(t, s, fmt.Sprint(i), sources[i].load) })
		}
		wg.Wait()
		again := make(map[int]bool)
		for store.Now().Sub(began) < life {
			for i := range sources {
				hit(t, s, fmt.Sprint(i), &sources[i], 0)
			}
			synctest.Wait()
			for i := range sources {
				if sources[i].loads.Load() == 2 && !again[i] {
					again[i] = true
					average += (life - store.Now().Sub(began)) / n
				}
			}
			time.Sleep(time.Second)
		}
	})
	return average
}

// What takes long to load is loaded earlier than what does not.
func TestRefreshBeta_costIsWhatCounts(t *testing.T) {
	if d := leads(t, 10*time.Second); d < 5*time.Second || d > 15*time.Second {
		t.Errorf("what takes 10 s is loaded %v before its end, want 10 s", d)
	}
	if d := leads(t, 10*time.Millisecond); d > time.Second {
		t.Errorf("what takes 10 ms is loaded %v before its end", d)
	}
}

// Of RefreshAhead and RefreshBeta the earlier counts, and a value of which it is not
// known how long its load took is not drawn for.
func TestRefreshBeta_andAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, &layered.Options[int]{RefreshBeta: 1, RefreshAhead: 0.5, Jitter: -1})
		defer s.Close()
		only, firstOnly, secondOnly := tiers(t, &layered.Options[int]{RefreshBeta: 1})
		defer only.Close()
		now := store.Now()
		var ahead, drawn int
		for i := range 1000 {
			key := fmt.Sprint(i)
			e := store.Entry[int]{LoadedAt: now, ExpiresAt: now.Add(100 * time.Second), LoadTime: 70 * time.Second}
			second.Store.Set(t.Context(), key, e)
			s.Get(t.Context(), key)
			switch e, _ := first.Get(t.Context(), key); {
			case e.RefreshAt == now.Add(50*time.Second):
				ahead++
			case e.RefreshAt < now.Add(50*time.Second):
				drawn++
			default:
				t.Errorf("in %v", e.RefreshAt.Sub(now))
			}
		}
		if ahead < 100 || drawn < 100 { // about a half each
			t.Errorf("%d at the share, %d before it", ahead, drawn)
		}
		for name, e := range map[string]store.Entry[int]{
			"not known":   {ExpiresAt: now.Add(100 * time.Second)},
			"without end": {LoadTime: time.Second},
		} {
			secondOnly.Store.Set(t.Context(), name, e)
			only.Get(t.Context(), name)
			if e, err := firstOnly.Get(t.Context(), name); err != nil || e.RefreshAt != 0 {
				t.Errorf("%s: in %v, %v", name, e.RefreshAt.Sub(now), err)
			}
		}
	})
}

// However early it is drawn, a load is one of all processes, and no reader waits. That of
// eight draws none is earlier than the load takes happens once in 10^12 lives.
func TestRefreshBeta_fleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New[int](nil), &row{takes: time.Second}
		o := &layered.Options[int]{TTL: 200 * time.Second, RefreshBeta: 30, Jitter: -1}
		var fleet [8]*layered.Store[int]
		for i := range fleet {
			fleet[i] = open(t, memstore.New[int](nil), shared.Peer(), o)
			defer fleet[i].Close()
		}
		mustGet(t, fleet[0], "k", r.load)
		for range 2000 {
			before := r.loads.Load()
			for _, s := range fleet {
				began := time.Now()
				mustGet(t, s, "k", r.load)
				if d := time.Since(began); d > 0 {
					t.Fatalf("waited for %v", d)
				}
				synctest.Wait()
			}
			if n := r.loads.Load() - before; n > 1 {
				t.Fatalf("%d loads at the same time", n)
			}
			time.Sleep(time.Second)
		}
		// The first of eight draws is 30 s * (1 + 1/2 + ... + 1/8) = 82 s before the end.
		if n := r.loads.Load(); n < 11 || n > 60 {
			t.Errorf("%d loads in 2000 s, want some 17", n)
		}
	})
}

func oneOfMany(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
	return map[string]store.Entry[int]{ks[0]: {Value: 1}}, nil
}

// A read of L2 draws, too, where there is no L1 to draw for; and so does a batch.
func TestRefreshBeta_L2Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := memstore.New[int](nil)
		s := open(t, nil, l2, &layered.Options[int]{TTL: time.Hour, RefreshBeta: 1})
		defer s.Close()
		put := func() {
			l2.Set(t.Context(), "k", store.Entry[int]{ExpiresAt: store.In(time.Minute), LoadTime: time.Minute})
		}
		for name, read := range map[string]func(){
			"one":   func() { mustGet(t, s, "k", value(1)) },
			"batch": func() { s.GetManyOrLoad(t.Context(), []string{"k"}, oneOfMany) },
		} {
			put()
			reads := 0
			for e, _ := l2.Get(t.Context(), "k"); e.Value == 0; e, _ = l2.Get(t.Context(), "k") {
				if reads++; reads > 1000 { // each does with e^-1
					t.Fatalf("%s: %d reads, none of which had it loaded", name, reads)
				}
				read()
				synctest.Wait()
			}
		}
	})
}

// Values that are loaded together do not end together: their ends are spread evenly
// over the share that Jitter takes off.
func TestJitter_spreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, shares = 4000, 10
		s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{TTL: 1000 * time.Second, StaleFor: time.Hour})
		defer s.Close()
		now := store.Now()
		var ends [shares]int
		for i := range n {
			e, err := s.GetOrLoad(t.Context(), fmt.Sprint(i), value(1))
			life := e.StaleAt.Sub(now)
			if err != nil || life < 900*time.Second || life > 1000*time.Second || e.ExpiresAt.Sub(e.StaleAt) != time.Hour {
				t.Fatalf("fresh for %v, %v", life, err)
			}
			ends[min(int((life-900*time.Second)/(10*time.Second)), shares-1)]++
		}
		for i, k := range ends { // 400, and the standard deviation is 19
			if k < 250 || k > 550 {
				t.Errorf("share %d has %d ends of %d: %v", i, k, n, ends)
			}
		}
	})
}
