package keys_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func ExampleNew() {
	listings, err := keys.New("listing", &keys.Options{SchemaVersion: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(listings.KeyInt(42))
	fmt.Println(listings.Key("42", "photos"))
	fmt.Println(listings.Key("a:b", "c"))
	fmt.Println(listings.Key("a", "b:c"))
	// Output:
	// listing:v3:42
	// listing:v3:42:photos
	// listing:v3:a%3Ab:c
	// listing:v3:a:b%3Ac
}

func ExampleSpace_Parse() {
	listings, err := keys.New("listing", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	tag, parts, ok := listings.Parse("listing:v0:{host%3A7}:42:photos")
	fmt.Printf("%q %q %v\n", tag, parts, ok)
	_, _, ok = listings.Parse("user:v0:42")
	fmt.Println(ok)
	// Output:
	// "host:7" ["42" "photos"] true
	// false
}

func ExampleSpace_Tagged() {
	listings, err := keys.New("listing", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Both are on the same node of a Redis Cluster.
	fmt.Println(listings.Tagged("host:7", "42"))
	fmt.Println(listings.Tagged("host:7", "43"))
	// Output:
	// listing:v0:{host%3A7}:42
	// listing:v0:{host%3A7}:43
}

func ExampleSpace_All() {
	listings, err := keys.New("listing", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	s := memstore.New[string](nil)
	for _, key := range []string{listings.KeyInt(1), listings.KeyInt(2), "other"} {
		if err := s.Set(ctx, key, store.Entry[string]{Value: "a value"}); err != nil {
			fmt.Println(err)
		}
	}
	n, err := store.DeletePattern(ctx, s, listings.All())
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleSpace_Sub() {
	pages, err := keys.New("page", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	tenant, err := pages.Sub("acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pages.Key("acme", "home") == tenant.Key("home"))
	fmt.Println(tenant.All())
	// Output:
	// true
	// page:v0:acme:*
}

func ExampleJitter() {
	ttl := keys.Jitter(keys.Long, 0.1)
	fmt.Println(ttl <= time.Hour, ttl >= 54*time.Minute)
	// Output: true true
}
