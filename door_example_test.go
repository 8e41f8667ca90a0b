package strata_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A cache of one value needs no id.
func ExampleNewSingle() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	rates, err := strata.NewSingle(backend, "exchange rates", func(context.Context) (map[string]any, error) {
		fmt.Println("loading")
		return map[string]any{"EUR": 1.0}, nil
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		r, err := rates.Get(ctx)
		fmt.Println(r["EUR"], err)
	}
	// Output:
	// loading
	// 1 <nil>
	// 1 <nil>
}

// Users are cached by id, and found by their e-mail address.
func ExampleNewIndex() {
	type user struct {
		ID    int64
		Title string // the address
	}
	rows := map[int64]user{7: {7, "ada@example.com"}}
	ctx := context.Background()
	backend, err := strata.Open(ctx, &strata.Config{NotFound: []error{sql.ErrNoRows}})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	users, err := strata.New(backend, "user", func(_ context.Context, id int64) (user, error) {
		u, ok := rows[id]
		if !ok {
			return u, sql.ErrNoRows
		}
		return u, nil
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	byAddress, err := strata.NewIndex(users, "user by address",
		func(_ context.Context, address string) (int64, error) {
			for id, u := range rows {
				if u.Title == address {
					return id, nil
				}
			}
			return 0, sql.ErrNoRows
		},
		func(u user) string { return u.Title }, nil)
	if err != nil {
		log.Fatal(err)
	}

	u, err := byAddress.Get(ctx, "ada@example.com")
	fmt.Println(u.ID, err)
	_, err = byAddress.Get(ctx, "bob@example.com")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// 7 <nil>
	// true
}

// A value may have a TTL of its own, which can be read and changed.
func ExampleCache_SetFor() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()

	type seat struct {
		Show string
		Row  int
	}
	held, err := strata.New[seat, string](backend, "held seats", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	id := seat{"Tosca", 4}
	if err := held.SetFor(ctx, id, "ada", 10*time.Minute); err != nil {
		log.Fatal(err)
	}
	if err := held.SetTTL(ctx, id, time.Hour); err != nil {
		log.Fatal(err)
	}
	fresh, _, err := held.TTL(ctx, id)
	fmt.Println(fresh.Round(time.Minute), err)
	has, err := held.Has(ctx, id)
	fmt.Println(has, err)
	// Output:
	// 1h0m0s <nil>
	// true <nil>
}
