package ristrettostore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

// Stores of different types share one budget.
func ExampleNew() {
	budget, err := ristrettostore.NewBudget(64 << 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer budget.Close()
	type user struct{ Name string }
	users := ristrettostore.New[user](budget, nil)
	visits := ristrettostore.New[int](budget, nil)

	ctx := context.Background()
	err = errors.Join(
		users.Set(ctx, "42", store.Entry[user]{Value: user{"Ada"}, ExpiresAt: store.In(time.Minute)}),
		visits.Set(ctx, "42", store.Entry[int]{Value: 7}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := users.Get(ctx, "42")
	fmt.Println(u.Value.Name, err)
	n, err := visits.Get(ctx, "42")
	fmt.Println(n.Value, err)
	_, err = visits.Get(ctx, "43")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// Ada <nil>
	// 7 <nil>
	// true
}

// A Cost of one's own: here the value knows how large it is.
func ExampleOptions() {
	budget, err := ristrettostore.NewBudget(64 << 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer budget.Close()
	type image struct{ Bytes int }
	images := ristrettostore.New(budget, &ristrettostore.Options[image]{
		Cost: func(key string, e *store.Entry[image]) int64 { return int64(len(key) + e.Value.Bytes) },
	})

	ctx := context.Background()
	if err := images.Set(ctx, "cat", store.Entry[image]{Value: image{Bytes: 5000}}); err != nil {
		fmt.Println(err)
		return
	}
	st, err := images.Stats(ctx)
	fmt.Println(st.Entries, st.Bytes, st.MaxBytes, err)
	// Output: 1 5003 67108864 <nil>
}

// Clear and DeletePattern remove entries of one store only.
func ExampleStore_DeletePattern() {
	budget, err := ristrettostore.NewBudget(64 << 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer budget.Close()
	a, b := ristrettostore.New[string](budget, nil), ristrettostore.New[string](budget, nil)

	ctx := context.Background()
	for _, key := range []string{"user:1", "user:2", "city:1"} {
		if err := errors.Join(a.Set(ctx, key, store.Entry[string]{}), b.Set(ctx, key, store.Entry[string]{})); err != nil {
			fmt.Println(err)
			return
		}
	}
	n, err := a.DeletePattern(ctx, "user:*")
	fmt.Println(n, err)
	fmt.Println(store.Exists(ctx, a, "city:1"))
	fmt.Println(a.Clear(ctx))
	fmt.Println(store.Exists(ctx, a, "city:1"))
	fmt.Println(store.Exists(ctx, b, "user:1"))
	// Output:
	// 2 <nil>
	// true <nil>
	// <nil>
	// false <nil>
	// true <nil>
}
