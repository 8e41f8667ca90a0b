package layered_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// told notes what Options.Changed is told of.
type told struct {
	mu   sync.Mutex
	what []string
	err  error
}

func (w *told) changed(_ context.Context, ks []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ks == nil {
		ks = []string{"all"}
	}
	w.what = append(w.what, strings.Join(slices.Sorted(slices.Values(ks)), ","))
	return w.err
}

func (w *told) is(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.what, want) {
		t.Errorf("told %q, want %q", w.what, want)
	}
	w.what = nil
}

// Every change is told, after it was made; nothing else is.
func TestChanged(t *testing.T) {
	var w told
	everyTier(t, layered.Options[int]{Changed: w.changed}, func(t *testing.T, s *layered.Store[int]) {
		ctx := t.Context()
		mustGet(t, s, "k", value(1))
		refreshed(t, s, "k", value(2))
		_ = s.Expire(ctx, "k", time.Hour) // not all can
		w.is(t)
		_, err := s.GetMany(ctx, []string{"k"})
		err = errors.Join(err, s.Set(ctx, "k", store.Entry[int]{Value: 3}))
		w.is(t, "k")
		err = errors.Join(err, s.SetMany(ctx, map[string]store.Entry[int]{"a": {}, "b": {}}), s.Delete(ctx, "k", "l"))
		w.is(t, "a,b", "k,l")
		_, err1 := s.DeletePattern(ctx, "x*")
		err = errors.Join(err, err1, s.Clear(ctx))
		w.is(t, "all", "all")
		if err != nil {
			t.Error(err)
		}
		w.err = errSource
		if err := errors.Join(s.Delete(ctx, "k"), s.Clear(ctx)); strings.Count(fmt.Sprint(err), errSource.Error()) != 2 {
			t.Errorf("that it could not be told came back as %v", err)
		}
		w.err = nil
		w.is(t, "k", "all")
	})
}

// What L2 has not heard of is told at once, and once more when it has heard: what was
// read from L2 in between may be from before.
func TestChanged_late(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var w told
			var down atomic.Bool
			down.Store(true)
			second := &deafL2{Store: memstore.New[int](nil), down: &down}
			s := open(t, memstore.New[int](nil), second, &layered.Options[int]{Changed: w.changed})
			want, change := "k", func() error { return s.Delete(t.Context(), "k") }
			if all {
				want, change = "all", func() error { return s.Clear(t.Context()) }
			}
			if err := change(); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			w.is(t, want)
			time.Sleep(time.Minute)
			w.is(t)
			down.Store(false)
			time.Sleep(time.Minute)
			w.is(t, want)
			s.Close()
		})
	}
}

// A deafL2 cannot be told of deletions while it is down.
type deafL2 struct {
	*memstore.Store[int]
	down *atomic.Bool
}

func (s *deafL2) Delete(ctx context.Context, ks ...string) error {
	if s.down.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Delete(ctx, ks...)
}

func (s *deafL2) Clear(ctx context.Context) error {
	if s.down.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Clear(ctx)
}
