package layered_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A failures is a source that fails until told otherwise, and notes when it is asked.
type failures struct {
	at    []time.Duration // between one and the next
	last  time.Time
	works bool
}

func (f *failures) load(context.Context, string) (store.Entry[int], error) {
	if !f.last.IsZero() {
		f.at = append(f.at, time.Since(f.last).Round(time.Second))
	}
	f.last = time.Now()
	if f.works {
		return store.Entry[int]{Value: 2}, nil
	}
	return store.Entry[int]{}, errSource
}

// read reads key 5 times a second for d.
func (f *failures) read(t *testing.T, d time.Duration, fleet ...*layered.Store[int]) {
	t.Helper()
	for began := time.Now(); time.Since(began) < d; time.Sleep(200 * time.Millisecond) {
		for _, s := range fleet {
			mustGet(t, s, "k", f.load)
			synctest.Wait()
		}
	}
}

func seconds(ns ...int) (ds []time.Duration) {
	for _, n := range ns {
		ds = append(ds, time.Duration(n)*time.Second)
	}
	return ds
}

// While a source fails it is asked at longer and longer intervals, up to a bound; when it
// has worked once, the first interval is the short one again.
func TestRefreshAhead_backOff(t *testing.T) {
	o := layered.Options[int]{TTL: 2000 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: time.Second}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		var f failures
		mustGet(t, s, "k", value(1))
		time.Sleep(1000 * time.Second)
		f.read(t, 66*time.Second, s)
		if want := seconds(1, 2, 4, 8, 16, 16, 16); !slices.Equal(f.at, want) {
			t.Errorf("asked at intervals of %v, want %v", f.at, want)
		}
		f.works = true
		f.read(t, 20*time.Second, s)
		f.works, f.at, f.last = false, nil, time.Time{}
		time.Sleep(1000 * time.Second)
		f.read(t, 9*time.Second, s)
		if want := seconds(1, 2, 4); !slices.Equal(f.at, want) {
			t.Errorf("when it had worked: asked at intervals of %v, want %v", f.at, want)
		}
	})
}

// Who has not asked for longer than he had to wait begins with the short interval.
func TestRefreshAhead_backOffIsForgotten(t *testing.T) {
	o := layered.Options[int]{TTL: 2000 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: time.Second}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		var f failures
		mustGet(t, s, "k", value(1))
		time.Sleep(1000 * time.Second)
		f.read(t, 8*time.Second, s)
		time.Sleep(30 * time.Second)
		f.at, f.last = nil, time.Time{}
		f.read(t, 5*time.Second, s)
		if want := seconds(1, 2); !slices.Equal(f.at, want) {
			t.Errorf("asked at intervals of %v, want %v", f.at, want)
		}
	})
}

// The intervals grow for a fleet that has the same source, too, if the mark of a failure
// is told from a load under way.
func TestRefreshAhead_backOffInTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New[int](nil)
		o := layered.Options[int]{TTL: 4000 * time.Second, RefreshAhead: 0.5, Jitter: -1, RetryAfter: 5 * time.Second}
		var fleet []*layered.Store[int]
		for range 4 {
			fleet = append(fleet, open(t, memstore.New[int](nil), shared.Peer(), &o))
			defer fleet[len(fleet)-1].Close()
			mustGet(t, fleet[len(fleet)-1], "k", value(1))
		}
		time.Sleep(2000 * time.Second)
		var f failures
		for began := time.Now(); time.Since(began) < 400*time.Second; {
			f.read(t, time.Second, fleet...)
			fleet = append(fleet[1:], fleet[0]) // each is the first in turn
		}
		if most := slices.Max(f.at); most < 75*time.Second || most > 81*time.Second {
			t.Errorf("asked at intervals of %v, want up to 80 s", f.at)
		}
		if len(f.at) > 9 { // of one process: 5, 10, 20, 40, 80 ...
			t.Errorf("asked at intervals of %v", f.at)
		}
	})
}

// Intervals are less a part by Jitter, so that what began to fail together is not asked
// for together for ever.
func TestRefreshAhead_backOffJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := layered.Options[int]{TTL: 2000 * time.Second, RefreshAhead: 1e-9, Jitter: 0.5, RetryAfter: 100 * time.Second, RefreshLimit: 100}
		s := open(t, memstore.New[int](nil), nil, &o)
		defer s.Close()
		for i := range 100 {
			mustGet(t, s, fmt.Sprint(i), value(1))
		}
		time.Sleep(time.Second)
		asked := make(map[time.Duration]bool)
		var all int
		began := time.Now()
		for time.Since(began) <= 100*time.Second {
			for i := range 100 {
				mustGet(t, s, fmt.Sprint(i), func(context.Context, string) (store.Entry[int], error) {
					if d := time.Since(began); d > 0 {
						asked[d] = true
						all++
					}
					return store.Entry[int]{}, errSource
				})
				synctest.Wait()
			}
			time.Sleep(time.Second)
		}
		for d := range asked {
			if d < 50*time.Second {
				t.Errorf("asked after %v", d)
			}
		}
		if len(asked) < 20 || all < 90 {
			t.Errorf("%d were asked for at %d different times", all, len(asked))
		}
	})
}
