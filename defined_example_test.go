package strata_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/keys"
)

func ExampleNewDefined() {
	// The definitions of a service are package variables.
	var registry keys.Registry
	ofCity := keys.DefineTag[string](&registry, "city")
	productsInCity := keys.Define2(&registry, "products-in-city", keys.Class{TTL: time.Minute},
		func(city string, page int) []string { return []string{ofCity.Of(city)} })

	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	loads := 0
	load := func(ctx context.Context, id keys.ID2[string, int]) (string, error) {
		loads++
		return fmt.Sprintf("page %d of %s", id.B, id.A), nil
	}
	pages, err := strata.NewDefined(b, productsInCity, load, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id := keys.ID2[string, int]{A: "paris", B: 1}
	fmt.Println(pages.Get(ctx, id))
	fmt.Println(pages.Get(ctx, id))
	err = b.InvalidateTags(ctx, ofCity.Of("paris"))
	fmt.Println(err)
	fmt.Println(pages.Get(ctx, id))
	fmt.Println(loads)
	// Output:
	// page 1 of paris <nil>
	// page 1 of paris <nil>
	// <nil>
	// page 1 of paris <nil>
	// 2
}
