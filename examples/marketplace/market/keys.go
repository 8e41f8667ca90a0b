package market

import (
	"time"

	"github.com/lokroom/strata/keys"
)

// The caches with their lifetimes, in one place. The rules in rules.go are why lifetimes may be
// long: they bound how long a value may be old when a rule is missing.
var (
	registry keys.Registry

	detail = keys.Class{Name: "detail", TTL: keys.Medium, StaleFor: time.Hour}
	list   = keys.Class{Name: "list", TTL: keys.Short, StaleFor: time.Hour}
	static = keys.Class{Name: "static", TTL: keys.VeryLong, StaleFor: 7 * keys.VeryLong}

	// A value of another release, whose type may differ, has another key and the same tag.
	rowOf      = keys.DefineTag[int64](&registry, "row-of")       // a listing
	bookingsOf = keys.DefineTag[int64](&registry, "bookings-of")  // a user; 0: all users
	searchesIn = keys.DefineTag[string](&registry, "searches-in") // a city; "": all cities

	listing  = keys.Define1(&registry, "listing", detail, func(id int64) []string { return []string{rowOf.Of(id)} })
	user     = keys.Define1[int64](&registry, "user", detail, nil)
	reviews  = keys.Define1[int64](&registry, "reviews", detail, nil) // of a listing
	stats    = keys.Define1[int64](&registry, "review-stats", detail, nil)
	bookings = keys.Define2(&registry, "bookings", list, func(user int64, page int) []string {
		return []string{bookingsOf.Of(user)}
	})
)
