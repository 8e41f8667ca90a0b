package keys_test

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/keys"
)

// The definitions of a service are package variables, in one place.
var (
	shop   keys.Registry
	detail = keys.Class{Name: "detail", TTL: time.Hour, StaleFor: 24 * time.Hour}
	list   = keys.Class{Name: "list", TTL: 5 * time.Minute, L1TTL: time.Minute}

	inCity = keys.DefineTag[string](&shop, "city")

	listing        = keys.Define1[int64](&shop, "listing", detail, nil)
	listingsInCity = keys.Define2(&shop, "listings-in-city", list,
		func(city string, page int) []string { return []string{inCity.Of(city)} })
)

func ExampleRegistry() {
	fmt.Println(shop.Err())
	for _, d := range shop.Definitions() {
		fmt.Println(d.Name, d.ID, d.Class.Name, d.Class.TTL)
	}
	var other keys.Registry
	keys.Define1[int64](&other, "user", detail, nil)
	keys.Define1[string](&other, "user", detail, nil)
	fmt.Println(other.Err())
	// Output:
	// <nil>
	// listing int64 detail 1h0m0s
	// listings-in-city keys.ID2[string,int] list 5m0s
	// keys: definition "user": the name is defined twice: invalid key
}

func ExampleDefine1() {
	fmt.Println(listing.Text(42))
	// Output: 42 <nil>
}

func ExampleDefine2() {
	id := keys.ID2[string, int]{A: "saint:denis", B: 3}
	text, _ := listingsInCity.Text(id)
	back, err := listingsInCity.Parse(text)
	fmt.Println(text, back, err)
	fmt.Println(listingsInCity.Tags(id))
	// Output:
	// saint%3Adenis:3 {saint:denis 3} <nil>
	// [city:saint%3Adenis]
}

func ExampleDefine3() {
	var r keys.Registry
	free := keys.Define3[int64, int, time.Month](&r, "free-days", list, nil)
	fmt.Println(free.Text(keys.ID3[int64, int, time.Month]{A: 42, B: 2027, C: time.May}))
	// Output: 42:2027:5 <nil>
}

func ExampleDefinition_Colocate() {
	var r keys.Registry
	settings := keys.Define2[string, string](&r, "setting", detail, nil).Colocate()
	// All settings of a tenant are on one node of a Redis Cluster.
	fmt.Println(settings.Text(keys.ID2[string, string]{A: "acme", B: "theme"}))
	// Output: {acme}:theme <nil>
}

func ExampleTag() {
	fmt.Println(inCity.Of("paris"))
	// Output: city:paris
}
