package ristrettostore_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// open returns a budget that is closed at the end of the test.
func open(t testing.TB, bytes int64) *ristrettostore.Budget {
	t.Helper()
	b, err := ristrettostore.NewBudget(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func set[T any](t testing.TB, s *ristrettostore.Store[T], key string, v T) {
	t.Helper()
	if err := s.Set(ctx, key, store.Entry[T]{Value: v}); err != nil {
		t.Fatal(err)
	}
}

// get returns what is under key, and false on a miss.
func get[T any](t testing.TB, s *ristrettostore.Store[T], key string) (T, bool) {
	t.Helper()
	e, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return e.Value, err == nil
}

func stats[T any](t testing.TB, s *ristrettostore.Store[T]) store.Stats {
	t.Helper()
	st, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
