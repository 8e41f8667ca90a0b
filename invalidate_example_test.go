package strata_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
)

// The definitions of the caches of a shop, in one place.
var (
	caches keys.Registry
	detail = keys.Class{Name: "detail", TTL: time.Hour, StaleFor: 24 * time.Hour}
	list   = keys.Class{Name: "list", TTL: 5 * time.Minute}

	ofCity = keys.DefineTag[string](&caches, "city")

	product        = keys.Define1[int64](&caches, "product", detail, nil)
	productsInCity = keys.Define2(&caches, "products-in-city", list,
		func(city string, page int) []string { return []string{ofCity.Of(city)} })
	search = keys.Define1[string](&caches, "search", list, nil)
)

// ProductMoved is an event.
type ProductMoved struct {
	ID               int64
	City, CityBefore string
}

func rulesOfShop() *invalidate.Rules {
	rules := invalidate.NewRules()
	invalidate.On(rules, func(e ProductMoved) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(product, e.ID).Because("its page"),
			invalidate.Tags(ofCity.Of(e.City), ofCity.Of(e.CityBefore)).Because("lists of its city"),
			invalidate.All(search),
		}
	}, product, productsInCity, search)
	return rules
}

func Example_invalidation() {
	ctx := context.Background()
	backend, err := strata.Open(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	city := "lyon" // the database
	pages, err := strata.NewDefined(backend, product, func(_ context.Context, id int64) (string, error) {
		return fmt.Sprintf("product %d in %s", id, city), nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	lists, err := strata.NewDefined(backend, productsInCity, func(_ context.Context, id keys.ID2[string, int]) (string, error) {
		return fmt.Sprintf("page %d of %s has product 42: %v", id.B, id.A, id.A == city), nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	searches, err := strata.NewDefined(backend, search, func(_ context.Context, query string) (string, error) {
		return query + ": " + city, nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	bus, err := invalidate.NewBus(rulesOfShop(), backend, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	show := func() {
		page, _ := pages.Get(ctx, 42)
		paris, _ := lists.Get(ctx, keys.ID2[string, int]{A: "paris", B: 1})
		found, _ := searches.Get(ctx, "where is 42")
		fmt.Println(page, "|", paris, "|", found)
	}
	show()
	city = "paris"
	show()
	if err := bus.Publish(ctx, ProductMoved{ID: 42, City: "paris", CityBefore: "lyon"}); err != nil {
		fmt.Println(err)
	}
	show()
	// Output:
	// product 42 in lyon | page 1 of paris has product 42: false | where is 42: lyon
	// product 42 in lyon | page 1 of paris has product 42: false | where is 42: lyon
	// product 42 in paris | page 1 of paris has product 42: true | where is 42: paris
}
