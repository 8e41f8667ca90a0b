package layered_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// While a stale value can be served, a source that fails is asked every RetryAfter, not
// by every read; and who reads is told what it failed with.
func TestRetryAfter(t *testing.T) {
	o := soft()
	o.RetryAfter = 10 * time.Second
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.err = errSource
		for i := range 50 {
			f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: r.load})
			if err != nil || !f.Stale || !errors.Is(f.Cause, errSource) || errors.Is(f.Cause, store.ErrLoadFailed) != (i%10 != 0) {
				t.Errorf("got %+v, %v", f, err)
			}
			time.Sleep(time.Second)
		}
		r.loaded(t, 1+5)
		r.err = nil
		r.v.Store(1)
		gets(t, t.Context(), s, "k", r.load, 0, 1, nil)
		time.Sleep(100 * time.Second)
		r.err = errSource // what failed before it has succeeded is forgotten
		gets(t, t.Context(), s, "k", r.load, 0, 1, errSource)
		r.loaded(t, 1+5+2)
		if c := s.Counts(); c.StaleServed != 51 || c.LoadErrors != 6 {
			t.Errorf("%+v", c)
		}
	})
}

// The control, and what a failure does not hold up: keys without a stale value, what was
// changed, Refresh, and other keys.
func TestRetryAfter_otherwise(t *testing.T) {
	o := soft()
	o.RetryAfter = -1
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		r := &row{}
		mustGet(t, s, "k", r.load)
		time.Sleep(100 * time.Second)
		r.err = errSource
		for range 3 {
			gets(t, t.Context(), s, "k", r.load, 0, 0, errSource)
		}
		r.loaded(t, 1+3)
	})
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		for range 3 {
			if _, err := s.Find(t.Context(), "new", layered.Source[int]{Load: failing(errSource)}); err != errSource {
				t.Errorf("nothing stale: %v, want the error as it is", err)
			}
		}
		gets(t, t.Context(), s, "new", value(1), 0, 1, nil)
		const keys = 10_000 // more than failures are remembered
		for i := range keys {
			mustGet(t, s, fmt.Sprint(i), value(i))
		}
		time.Sleep(100 * time.Second)
		gets(t, t.Context(), s, "1", failing(errSource), 0, 1, errSource)
		gets(t, t.Context(), s, "1", mustNotLoad(t), 0, 1, errSource)
		for i := 2; i < keys; i++ {
			gets(t, t.Context(), s, fmt.Sprint(i), value(-i), 0, -i, nil)
		}
		if f, err := s.Refresh(t.Context(), "1", layered.Source[int]{Load: value(5)}); err != nil || f.Value != 5 {
			t.Errorf("Refresh: %+v, %v", f, err)
		}
		gets(t, t.Context(), s, "0", failing(errSource), 0, 0, errSource)
		if err := s.Delete(t.Context(), "0"); err != nil {
			t.Fatal(err)
		}
		gets(t, t.Context(), s, "0", value(6), 0, 6, nil)
	})
}

func TestRetryAfter_batch(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "1", value(1))
		mustGet(t, s, "2", value(2))
		s.Separate(t.Context(), "1", "2")
		time.Sleep(100 * time.Second)
		gets(t, t.Context(), s, "1", failing(errSource), 0, 1, errSource)
		var asked [][]string
		for range 3 {
			found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2"}, func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
				asked = append(asked, ks)
				return nil, errSource
			})
			if got := valuesOf(found); got != "1=1 2=2" || err != nil {
				t.Errorf("got %s, %v", got, err)
			}
		}
		if len(asked) != 1 || strings.Join(asked[0], " ") != "2" {
			t.Errorf("asked for %v, want 2 once", asked)
		}
		time.Sleep(5 * time.Second)
		found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2"}, func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
			return map[string]store.Entry[int]{"1": {Value: 3}, "2": {Value: 4}}, nil
		})
		if got := valuesOf(found); got != "1=3 2=4" || err != nil {
			t.Errorf("then got %s, %v", got, err)
		}
	})
}

// Where neither L2 nor the source can answer, and a copy in doubt does, the source is not
// asked by every read either.
func TestRetryAfter_suspect(t *testing.T) {
	inEachWay(t, func(t *testing.T, get func(context.Context, *layered.Store[int], string, layered.Loader[int]) (layered.Found[int], error)) {
		o := lasting()
		o.RetryAfter = 10 * time.Second
		s, l2 := shakyTiers(t, o)
		defer s.Close()
		r := &row{}
		mustGet(t, s, "k", r.load)
		l2.lost()
		r.err = errSource
		for range 50 {
			f, err := get(t.Context(), s, "k", r.load)
			flagged(t, f, err, 0)
			time.Sleep(time.Second)
		}
		r.loaded(t, 1+5)
	})
}

// A load that was given up because nobody waited says nothing of the source.
func TestRetryAfter_givenUp(t *testing.T) {
	o := soft()
	o.SoftTimeout = 0
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := s.Find(ctx, "k", layered.Source[int]{Load: slow(time.Hour, 2)}); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		synctest.Wait()
		gets(t, t.Context(), s, "k", value(2), 0, 2, nil)
	})
}

func TestHoldErrors(t *testing.T) {
	everySetup(t, layered.Options[int]{HoldErrors: true, RetryAfter: 10 * time.Second}, func(t *testing.T, s *layered.Store[int]) {
		r := &row{err: errSource}
		for i := range 50 {
			_, err := s.Find(t.Context(), "k", layered.Source[int]{Load: r.load})
			if !errors.Is(err, errSource) || errors.Is(err, store.ErrLoadFailed) != (i%10 != 0) {
				t.Errorf("got %v", err)
			}
			time.Sleep(time.Second)
		}
		r.loaded(t, 5)
		if err := s.Set(t.Context(), "k", store.Entry[int]{Value: 7}); err != nil {
			t.Fatal(err)
		}
		gets(t, t.Context(), s, "k", mustNotLoad(t), 0, 7, nil)
	})
}

// A loader that panics, or ends its goroutine, has failed like any other: a stale value is
// served, and the program goes on.
func TestStore_staleIsServedWhenTheLoaderPanics(t *testing.T) {
	everySetup(t, soft(), func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		mustGet(t, s, "l", value(2))
		time.Sleep(100 * time.Second)
		panics := func(context.Context, string) (store.Entry[int], error) { panic(errSource) }
		gets(t, t.Context(), s, "k", panics, 0, 1, errSource)
		found, err := s.GetManyOrLoad(t.Context(), []string{"l"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
			runtime.Goexit()
			return nil, nil
		})
		if got := valuesOf(found); got != "l=2" || err != nil {
			t.Errorf("got %s, %v", got, err)
		}
		// Even where what it panics with would say something else.
		if _, err := s.Find(t.Context(), "new", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) { panic(store.ErrNotFound) }}); err == nil || err == store.ErrNotFound {
			t.Errorf("got %v", err)
		}
		gets(t, t.Context(), s, "new", value(3), 0, 3, nil)
	})
}

// A loader that does not heed that its time is up is not waited for.
func TestLoadTimeout_loaderDoesNotHeedIt(t *testing.T) {
	o := soft()
	o.SoftTimeout, o.LoadTimeout = 0, 10*time.Second
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		var ended atomic.Int64
		deaf := func(context.Context, string) (store.Entry[int], error) {
			time.Sleep(time.Minute)
			ended.Add(1)
			return store.Entry[int]{Value: 9}, nil
		}
		took := 10*time.Second + 100*time.Millisecond
		gets(t, t.Context(), s, "k", deaf, took, 1, context.DeadlineExceeded)
		began := time.Now()
		if _, err := s.Find(t.Context(), "new", layered.Source[int]{Load: deaf}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != took {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		gets(t, t.Context(), s, "new", value(2), 0, 2, nil) // nobody waits for it
		if err := s.Close(); err != nil || ended.Load() != 2 {
			t.Errorf("Close returned %v when %d loaders of 2 had", err, ended.Load())
		}
	})
}

// One that heeds it late may say what it has.
func TestLoadTimeout_grace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, &layered.Options[int]{LoadTimeout: time.Second})
		defer s.Close()
		found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2"}, func(ctx context.Context, _ []string) (map[string]store.Entry[int], error) {
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond)
			return map[string]store.Entry[int]{"1": {Value: 1}}, errSource
		})
		if got := valuesOf(found); got != "1=1" || !errors.Is(err, errSource) {
			t.Errorf("got %s, %v", got, err)
		}
	})
}

// An entry from NewEntry has the life that it was given, also an endless one.
func TestNewEntry_forever(t *testing.T) {
	o := soft()
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", func(context.Context, string) (store.Entry[int], error) {
			return s.NewEntry(1, store.Forever), nil
		})
		time.Sleep(10_000 * time.Hour)
		gets(t, t.Context(), s, "k", mustNotLoad(t), 0, 1, nil)
	})
}
