package strata_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/lokroom/strata"
)

func ExampleCache_Hottest() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	doubles, err := strata.New(b, "double", double, &strata.Options[int, int]{KeepHot: 100})
	if err != nil {
		log.Fatal(err)
	}
	for n := range 1000 {
		doubles.Get(ctx, n)
		for range n {
			doubles.Get(ctx, 7)
		}
	}
	hot, err := doubles.Hottest(1)
	fmt.Println(hot[0].ID, err)
	// Output: 7 <nil>
}

func ExampleOptions_clone() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	stops := func(context.Context, string) ([]string, error) { return []string{"canal", "museum"}, nil }
	tours, err := strata.New(b, "tour", stops, &strata.Options[string, []string]{Clone: slices.Clone[[]string]})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		t, err := tours.Get(ctx, "short")
		fmt.Println(t, err)
		t[1] = "pub" // his own
	}
	// Output:
	// [canal museum] <nil>
	// [canal museum] <nil>
}
