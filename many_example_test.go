package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata"
)

func ExampleManyError() {
	b, err := strata.Open(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	names := map[int]string{1: "Ann", 2: "Bob"}
	users, err := strata.New(b, "user", nil, &strata.Options[int, string]{
		LoadMany: func(_ context.Context, ids []int) (map[int]string, error) { // one query
			slices.Sort(ids)
			fmt.Println("load", ids)
			found := map[int]string{}
			failed := map[int]error{}
			for _, id := range ids {
				if name, ok := names[id]; ok {
					found[id] = name
				} else if id > 100 {
					failed[id] = errors.New("another shard")
				}
			}
			if len(failed) > 0 {
				return found, &strata.ManyError[int]{Errors: failed}
			}
			return found, nil
		},
	})
	if err != nil {
		panic(err)
	}
	found, err := users.GetMany(context.Background(), []int{1, 2, 3})
	fmt.Println(found, err)
	found, err = users.GetMany(context.Background(), []int{1, 3, 101}) // 3 is known to be absent
	fmt.Println(found, err)
	var many *strata.ManyError[int]
	if errors.As(err, &many) {
		fmt.Println(many.Errors[101])
	}
	// Output:
	// load [1 2 3]
	// map[1:Ann 2:Bob] <nil>
	// load [101]
	// map[1:Ann] 101: another shard
	// another shard
}

func ExampleCache_SetMany() {
	b, err := strata.Open(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	users, err := strata.New[int, string](b, "user", nil, nil)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := users.SetMany(ctx, map[int]string{1: "Ann", 2: "Bob"}); err != nil {
		panic(err)
	}
	fmt.Println(users.GetMany(ctx, []int{1, 2, 3}))
	if err := users.Delete(ctx, 1, 2); err != nil {
		panic(err)
	}
	fmt.Println(users.GetMany(ctx, []int{1, 2, 3}))
	// Output:
	// map[1:Ann 2:Bob] <nil>
	// map[] <nil>
}

// Concurrent Gets of single values become one query.
func ExampleOptions_batchWindow() {
	b, err := strata.Open(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	users, err := strata.New(b, "user", nil, &strata.Options[int, string]{
		BatchWindow: 20 * time.Millisecond,
		BatchSize:   3, // so that the example need not wait for the window
		LoadMany: func(_ context.Context, ids []int) (map[int]string, error) {
			slices.Sort(ids)
			fmt.Println("load", ids)
			found := map[int]string{}
			for _, id := range ids {
				found[id] = fmt.Sprint("user ", id)
			}
			return found, nil
		},
	})
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for id := range 3 {
		wg.Go(func() { users.Get(context.Background(), id) })
	}
	wg.Wait()
	fmt.Println(users.Get(context.Background(), 2))
	// Output:
	// load [0 1 2]
	// user 2 <nil>
}
