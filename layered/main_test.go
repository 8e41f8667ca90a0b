package layered_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An l2 is a memstore whose calls a test can delay, fail or follow.
type l2 struct {
	*memstore.Store[int]
	get  func(key string, e store.Entry[int], err error) (store.Entry[int], error)
	fill func() error // before a fill
	set  func() error // before a set
	del  func() error // before a delete

	replace func() error // before a replace
	claimed func()       // before a claim that was granted returns

	deaf atomic.Bool // nobody is told of changes

	afterSet  func() // before a set returns
	unwatched bool   // another write always comes right after a fill
}

func (s *l2) Watch(w store.Watching) (stop func(), err error) {
	changed := w.Changed
	w.Changed = func(iv store.Invalidation) {
		if !s.deaf.Load() {
			changed(iv)
		}
	}
	return s.Store.Watch(w)
}

func (s *l2) Get(ctx context.Context, key string) (store.Entry[int], error) {
	e, err := s.Store.Get(ctx, key)
	if s.get != nil {
		return s.get(key, e, err)
	}
	return e, err
}

func (s *l2) GetMany(ctx context.Context, ks []string) ([]*store.Entry[int], error) {
	if s.get == nil {
		return s.Store.GetMany(ctx, ks)
	}
	found := make([]*store.Entry[int], len(ks))
	var errs []error
	for i, key := range ks {
		e, err := s.Get(ctx, key)
		if err == nil || e.Absent {
			found[i] = &e
		} else if !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return found, errors.Join(errs...)
}

func (s *l2) Fill(ctx context.Context, key string, e store.Entry[int]) (store.Entry[int], bool, error) {
	if s.fill != nil {
		if err := s.fill(); err != nil {
			return store.Entry[int]{}, false, err
		}
	}
	e, watched, err := s.Store.Fill(ctx, key, e)
	return e, watched && !s.unwatched, err
}

func (s *l2) Claim(ctx context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	g, err := s.Store.Claim(ctx, key, version, d)
	if s.claimed != nil && g.State == store.Granted {
		s.claimed()
	}
	return g, err
}

func (s *l2) Replace(ctx context.Context, key string, version uint64, e store.Entry[int]) (store.Entry[int], bool, error) {
	if s.replace != nil {
		if err := s.replace(); err != nil {
			return store.Entry[int]{}, false, err
		}
	}
	e, watched, err := s.Store.Replace(ctx, key, version, e)
	return e, watched && !s.unwatched, err
}

func (s *l2) Revalidate(ctx context.Context, key string, e store.Entry[int]) (store.Entry[int], error) {
	if s.unwatched {
		return store.Entry[int]{}, store.ErrNotFound
	}
	return s.Store.Revalidate(ctx, key, e)
}

func (s *l2) Set(ctx context.Context, key string, e store.Entry[int]) error {
	if s.set != nil {
		if err := s.set(); err != nil {
			return err
		}
	}
	err := s.Store.Set(ctx, key, e)
	if s.afterSet != nil {
		s.afterSet()
	}
	return err
}

func (s *l2) Delete(ctx context.Context, ks ...string) error {
	if s.del != nil {
		if err := s.del(); err != nil {
			return err
		}
	}
	return s.Store.Delete(ctx, ks...)
}

// A plain is an L2 that does not tell of changes, and whose Gets a test can delay.
type plain struct {
	m     *memstore.Store[int]
	get   func() // before a get returns what it read
	clear func() // before a clear
}

func (s *plain) Get(ctx context.Context, key string) (store.Entry[int], error) {
	e, err := s.m.Get(ctx, key)
	if s.get != nil {
		s.get()
	}
	return e, err
}
func (s *plain) Set(ctx context.Context, key string, e store.Entry[int]) error {
	return s.m.Set(ctx, key, e)
}
func (s *plain) Delete(ctx context.Context, ks ...string) error { return s.m.Delete(ctx, ks...) }
func (s *plain) Clear(ctx context.Context) error {
	if s.clear != nil {
		s.clear()
	}
	return s.m.Clear(ctx)
}
func (s *plain) DeletePattern(ctx context.Context, p string) (int, error) {
	return s.m.DeletePattern(ctx, p)
}

// tiers opens a layered store over two memstores, closed with the test.
func tiers(t *testing.T, o *layered.Options[int]) (s *layered.Store[int], first *memstore.Store[int], second *l2) {
	t.Helper()
	first, second = memstore.New[int](nil), &l2{Store: memstore.New[int](nil)}
	return open(t, first, second, o), first, second
}

func open(t *testing.T, first, second store.Store[int], o *layered.Options[int]) *layered.Store[int] {
	t.Helper()
	s, err := layered.New(first, second, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// value is a loader of v.
func value(v int) layered.Loader[int] {
	return func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{Value: v}, nil }
}

// slow is a loader of v that takes d.
func slow(d time.Duration, v int) layered.Loader[int] {
	return func(ctx context.Context, _ string) (store.Entry[int], error) {
		select {
		case <-time.After(d):
			return store.Entry[int]{Value: v}, nil
		case <-ctx.Done():
			return store.Entry[int]{}, ctx.Err()
		}
	}
}

func failing(err error) layered.Loader[int] {
	return func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{}, err }
}

func mustNotLoad(t *testing.T) layered.Loader[int] {
	return func(_ context.Context, key string) (store.Entry[int], error) {
		t.Errorf("%q was loaded", key)
		return store.Entry[int]{}, errors.New("must not be called")
	}
}

func mustGet(t *testing.T, s *layered.Store[int], key string, load layered.Loader[int]) int {
	t.Helper()
	e, err := s.GetOrLoad(t.Context(), key, load)
	if err != nil {
		t.Fatalf("GetOrLoad(%q): %v", key, err)
	}
	return e.Value
}

// mustFind is mustGet for a source with a Reload.
func mustFind(t *testing.T, s *layered.Store[int], key string, src layered.Source[int]) int {
	t.Helper()
	f, err := s.Find(t.Context(), key, src)
	if err != nil {
		t.Fatalf("Find(%q): %v", key, err)
	}
	return f.Value
}

var errSource = errors.New("the source is down")
