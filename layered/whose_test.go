package layered_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// contextErrors are those with which a loader may fail by its own, such as a client whose
// request has a deadline.
var contextErrors = []error{context.Canceled, context.DeadlineExceeded, fmt.Errorf("query: %w", context.Canceled)}

// A loader that fails with a context error while its caller waits is a source that fails.
func TestLoader_contextErrorOfTheSource(t *testing.T) {
	for _, own := range contextErrors {
		o := soft()
		o.RetryAfter = 10 * time.Second
		everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
			ctx := t.Context()
			if _, err := s.Find(ctx, "new", layered.Source[int]{Load: failing(own)}); err != own {
				t.Errorf("without a stale value: %v, want %v", err, own)
			}
			last := func(string, error) (int, error) { return 9, nil }
			if f, err := s.Find(ctx, "other", layered.Source[int]{Load: failing(own), Default: last}); err != nil || f.Value != 9 {
				t.Errorf("the last resort of a reader who waits: %+v, %v", f, err)
			}
			mustGet(t, s, "k", value(1))
			mustGet(t, s, "l", value(2))
			time.Sleep(100 * time.Second)
			gets(t, ctx, s, "k", failing(own), 0, 1, own)
			gets(t, ctx, s, "k", mustNotLoad(t), 0, 1, store.ErrLoadFailed)
			batch := func(context.Context, []string) (map[string]store.Entry[int], error) { return nil, own }
			found, err := s.GetManyOrLoad(ctx, []string{"l"}, batch)
			if got := valuesOf(found); got != "l=2" || err != nil {
				t.Errorf("a batch of what is stale: %s, %v", got, err)
			}
			gets(t, ctx, s, "l", mustNotLoad(t), 0, 2, store.ErrLoadFailed)
			_, err = s.GetManyOrLoad(ctx, []string{"m"}, batch)
			if many := store.AsManyError[string](err); many == nil || many.Errors["m"] != own {
				t.Errorf("a batch of what is not there: %v", err)
			}
			time.Sleep(10 * time.Second)
			gets(t, ctx, s, "k", value(3), 0, 3, nil)
		})
	}
}

// The end of the context of a reader is no failure of the source.
func TestLoader_contextErrorOfTheReader(t *testing.T) {
	o := soft()
	o.SoftTimeout = 0
	everySetup(t, o, func(t *testing.T, s *layered.Store[int]) {
		last := func(string, error) (int, error) { t.Error("the last resort was asked"); return 0, nil }
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		left, leave := context.WithCancelCause(t.Context())
		reason := errors.New("the user has closed the page")
		time.AfterFunc(time.Second, func() { leave(reason) })
		_, err := s.Find(left, "k", layered.Source[int]{Load: slow(time.Hour, 2), Default: last})
		if !errors.Is(err, reason) {
			t.Errorf("a reader that has left: %v", err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Find(short, "new", layered.Source[int]{Load: slow(time.Hour, 2), Default: last})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reader whose time is over: %v", err)
		}
		time.Sleep(time.Millisecond)
		gets(t, t.Context(), s, "k", value(3), 0, 3, nil)
	})
}

// A refresh that fails with a context error of the source is a failure: the next one is
// not tried at once.
func TestRefresh_contextErrorOfTheSource(t *testing.T) {
	o := layered.Options[int]{TTL: 100 * time.Second, StaleFor: 1000 * time.Second, StaleWhileRevalidate: true, RetryAfter: 10 * time.Second, Jitter: -1}
	everyTier(t, o, func(t *testing.T, s *layered.Store[int]) {
		mustGet(t, s, "k", value(1))
		time.Sleep(100 * time.Second)
		r := &row{err: context.Canceled}
		for range 9 {
			f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: r.load})
			if err != nil || !f.Stale || f.Value != 1 {
				t.Errorf("got %+v, %v", f, err)
			}
			time.Sleep(time.Second)
		}
		r.loaded(t, 1)
		if n := s.Counts().RefreshErrors; n != 1 {
			t.Errorf("%d refreshes have failed", n)
		}
	})
}

// A loader whose error is one of this package's own says nothing of this store.
func TestLoader_errorOfAnotherStore(t *testing.T) {
	everyTier(t, layered.Options[int]{Jitter: -1}, func(t *testing.T, s *layered.Store[int]) {
		for _, own := range []error{store.ErrClosed, store.ErrChanged, store.ErrUnavailable} {
			if _, err := s.Refresh(t.Context(), "k", layered.Source[int]{Load: failing(own)}); err != own {
				t.Errorf("Refresh: %v, want %v", err, own)
			}
			_, err := s.Find(t.Context(), "k", layered.Source[int]{Load: failing(own)})
			if err != own {
				t.Errorf("Find: %v, want %v", err, own)
			}
			last := func(string, error) (int, error) { return 1, nil }
			if f, err := s.Find(t.Context(), "k", layered.Source[int]{Load: failing(own), Default: last}); err != nil || f.Value != 1 {
				t.Errorf("%v: the last resort was not asked: %+v, %v", own, f, err)
			}
		}
	})
}

// Readers who wait when a store is closed are told so, whatever their loader makes of it.
func TestClose_waitingReaders(t *testing.T) {
	translated := errors.New("rpc error: code = Canceled")
	loader := func(ctx context.Context, _ string) (store.Entry[int], error) {
		<-ctx.Done()
		return store.Entry[int]{}, ctx.Err()
	}
	everySetup(t, layered.Options[int]{Jitter: -1, MaxLoads: 4, SoftTimeout: time.Hour}, func(t *testing.T, s *layered.Store[int]) {
		reads := map[string]func() error{
			"Find": func() error { _, err := s.Find(t.Context(), "a", layered.Source[int]{Load: loader}); return err },
			"Find, translated": func() error {
				_, err := s.Find(t.Context(), "b", layered.Source[int]{Load: translating(loader, translated)})
				return err
			},
			"FindFresh": func() error { _, err := s.FindFresh(t.Context(), "c", layered.Source[int]{Load: loader}); return err },
			"a batch": func() error {
				_, err := s.GetManyOrLoad(t.Context(), []string{"d", "e"}, func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
					<-ctx.Done()
					return nil, translated
				})
				return err
			},
		}
		waits := map[string]func() error{ // MaxLoads are under way
			"Find that joins": func() error {
				_, err := s.Find(t.Context(), "a", layered.Source[int]{Load: mustNotLoad(t)})
				return err
			},
			"Find with no place": func() error {
				_, err := s.Find(t.Context(), "f", layered.Source[int]{Load: mustNotLoad(t)})
				return err
			},
			"Refresh": func() error {
				_, err := s.Refresh(t.Context(), "g", layered.Source[int]{Load: mustNotLoad(t)})
				return err
			},
			"a batch with no place": func() error {
				_, err := s.GetManyOrLoad(t.Context(), []string{"h", "i"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
					t.Error("a load began")
					return nil, nil
				})
				return err
			},
		}
		done := make(chan string, len(reads)+len(waits))
		start := func(calls map[string]func() error) {
			for name, f := range calls {
				go func() {
					if err := f(); !errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, flight.ErrClosed) {
						t.Errorf("%s: %v", name, err)
					}
					done <- name
				}()
			}
			time.Sleep(time.Second)
		}
		start(reads)
		start(waits)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for range cap(done) {
			<-done
		}
	})
}

func translating(load layered.Loader[int], err error) layered.Loader[int] {
	return func(ctx context.Context, key string) (store.Entry[int], error) {
		load(ctx, key)
		return store.Entry[int]{}, err
	}
}
