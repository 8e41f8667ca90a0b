package layered_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/encodedstore"
	"github.com/lokroom/strata/store/memstore"
)

// Callers who share a load get a value each; who is alone costs no copy.
func TestCopy(t *testing.T) {
	type list = []int
	var copies atomic.Int64
	errCopy := errors.New("no copy")
	var fail atomic.Bool
	o := &layered.Options[list]{Copy: func(l list) (list, error) {
		copies.Add(1)
		if fail.Load() {
			return nil, errCopy
		}
		return append(list(nil), l...), nil
	}}
	one := func(context.Context, string) (store.Entry[list], error) {
		time.Sleep(time.Second)
		return store.Entry[list]{Value: list{1, 2, 3}}, nil
	}
	many := func(ctx context.Context, ks []string) (map[string]store.Entry[list], error) {
		e, err := one(ctx, "")
		return map[string]store.Entry[list]{ks[0]: e}, err
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := layered.New(encodedstore.New[list](memstore.New[[]byte](nil), nil), nil, o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for name, get := range map[string]func() (list, error){
			"GetOrLoad": func() (list, error) {
				e, err := s.GetOrLoad(t.Context(), "k", one)
				return e.Value, err
			},
			"GetManyOrLoad": func() (list, error) {
				m, err := s.GetManyOrLoad(t.Context(), []string{"k"}, many)
				return m["k"].Value, err
			},
			"Refresh": func() (list, error) {
				f, err := s.Refresh(t.Context(), "k", layered.Source[list]{Load: one})
				return f.Value, err
			},
		} {
			copies.Store(0)
			ask := func(n int) (errs int) {
				if err := s.Delete(t.Context(), "k"); err != nil {
					t.Error(err)
				}
				var wg sync.WaitGroup
				var failed atomic.Int64
				for range n {
					wg.Go(func() {
						l, err := get()
						switch {
						case errors.Is(err, errCopy):
							failed.Add(1)
						case err != nil || len(l) != 3 || l[0] != 1:
							t.Errorf("%s: got %v, %v", name, l, err)
						default:
							l[0] = 9
						}
					})
				}
				wg.Wait()
				return int(failed.Load())
			}
			ask(1)
			if n := copies.Load(); n != 0 {
				t.Errorf("%s: %d copies for one caller", name, n)
			}
			ask(3)
			if l, err := get(); err != nil || l[0] != 1 {
				t.Errorf("%s: then got %v, %v", name, l, err)
			}
			fail.Store(true)
			if n := ask(3); n < 2 { // a Refresh that came too late for the load loads once more, alone
				t.Errorf("%s: of 3 callers %d got the error", name, n)
			}
			fail.Store(false)
		}
	})
}
