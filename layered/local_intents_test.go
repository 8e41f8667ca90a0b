package layered_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// between are what other callers do between BeginWrite and CommitSet of "k", and the value that
// they leave; 0: none.
var between = map[string]struct {
	do   func(ctx context.Context, s *layered.Store[int]) error
	left int
}{
	"nothing": {func(context.Context, *layered.Store[int]) error { return nil }, 1},
	"a read": {func(ctx context.Context, s *layered.Store[int]) error {
		_, err := s.Get(ctx, "k")
		return notFound(err)
	}, 1},
	"another key": {func(ctx context.Context, s *layered.Store[int]) error {
		return s.Set(ctx, "other", store.Entry[int]{Value: 2})
	}, 1},
	"Set": {func(ctx context.Context, s *layered.Store[int]) error {
		return s.Set(ctx, "k", store.Entry[int]{Value: 2})
	}, 0},
	"SetMany": {func(ctx context.Context, s *layered.Store[int]) error {
		return s.SetMany(ctx, map[string]store.Entry[int]{"k": {Value: 2}, "other": {Value: 2}})
	}, 0},
	"SetNewer": {func(ctx context.Context, s *layered.Store[int]) error {
		_, err := s.SetNewer(ctx, "k", store.Entry[int]{Value: 2, Revision: 2})
		return err
	}, 0},
	"SetIfAbsent": {func(ctx context.Context, s *layered.Store[int]) error {
		_, err := s.SetIfAbsent(ctx, "k", store.Entry[int]{Value: 2})
		return err
	}, 0},
	"Delete": {func(ctx context.Context, s *layered.Store[int]) error { return s.Delete(ctx, "k") }, 0},
	"BeginWrite": {func(ctx context.Context, s *layered.Store[int]) error {
		_, err := s.BeginWrite(ctx, time.Minute, "k")
		return err
	}, 0},
	"Commit": {func(ctx context.Context, s *layered.Store[int]) error {
		w, err := s.BeginWrite(ctx, time.Minute, "k")
		return errors.Join(err, w.Commit(ctx))
	}, 0},
	"CommitSet": {func(ctx context.Context, s *layered.Store[int]) error {
		w, err := s.BeginWrite(ctx, time.Minute, "k")
		return errors.Join(err, w.CommitSet(ctx, map[string]store.Entry[int]{"k": {Value: 2}}))
	}, 0},
	"the end of the hold": {func(context.Context, *layered.Store[int]) error { time.Sleep(time.Minute); return nil }, 0},
}

func notFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// CommitSet keeps a value only if nobody has written its key since BeginWrite, with an L2 and
// without.
func TestCommitSet_overtaken(t *testing.T) {
	for _, where := range []string{"L1", "L1 and L2"} {
		for name, c := range between {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				var l2 store.Store[int]
				if where != "L1" {
					l2 = memstore.NewShared[int](nil)
				}
				s, err := layered.New(memstore.New[int](nil), l2, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				w, err := s.BeginWrite(ctx, time.Minute, "k", "k")
				if err != nil {
					t.Fatal(err)
				}
				if err := c.do(ctx, s); err != nil {
					t.Fatalf("%s, %s: %v", where, name, err)
				}
				if err := w.CommitSet(ctx, map[string]store.Entry[int]{"k": {Value: 1}}); err != nil {
					t.Fatalf("%s, %s: %v", where, name, err)
				}
				if e, err := s.Get(ctx, "k"); notFound(err) != nil || e.Value != c.left {
					t.Errorf("%s, %s: CommitSet left %d, %v; want %d", where, name, e.Value, err, c.left)
				}
			})
		}
	}
}

// Without an L2: a write of all keys counts, and of two concurrent intents none leaves the
// value of the one that committed first.
func TestCommitSet_withoutL2(t *testing.T) {
	ctx := t.Context()
	for name, all := range map[string]func(s *layered.Store[int]) error{
		"Clear":         func(s *layered.Store[int]) error { return s.Clear(ctx) },
		"DeletePattern": func(s *layered.Store[int]) error { _, err := s.DeletePattern(ctx, "*"); return err },
	} {
		s, err := layered.New[int](memstore.New[int](nil), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.BeginWrite(ctx, time.Minute, "k")
		if err := errors.Join(err, all(s), w.CommitSet(ctx, map[string]store.Entry[int]{"k": {Value: 1}})); err != nil {
			t.Fatal(err)
		}
		if e, err := s.Get(ctx, "k"); err == nil {
			t.Errorf("%s: CommitSet left %d", name, e.Value)
		}
		s.Close()
	}

	s, err := layered.New[int](memstore.New[int](nil), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var source sync.Mutex
	row := 0
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 500 {
				w, err := s.BeginWrite(ctx, time.Minute, "k")
				source.Lock()
				row++
				v := row
				source.Unlock()
				if err := errors.Join(err, w.CommitSet(ctx, map[string]store.Entry[int]{"k": {Value: v}})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if e, err := s.Get(ctx, "k"); notFound(err) != nil || err == nil && e.Value != row {
		t.Errorf("the cache has %d, the source %d", e.Value, row)
	}
}
