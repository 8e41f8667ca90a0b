package invalidate_test

import (
	"fmt"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/keys"
)

// The caches and tags of a marketplace.
var (
	market keys.Registry

	detail = keys.Class{Name: "detail", TTL: time.Hour, StaleFor: 24 * time.Hour}
	list   = keys.Class{Name: "list", TTL: 5 * time.Minute}

	inCity = keys.DefineTag[string](&market, "city")
	ofHost = keys.DefineTag[int64](&market, "host")
	ofUser = keys.DefineTag[int64](&market, "user")

	listing        = keys.Define1[int64](&market, "listing", detail, nil)
	listingsInCity = keys.Define2(&market, "listings-in-city", list, func(city string, page int) []string { return []string{inCity.Of(city)} })
	listingsOfHost = keys.Define2(&market, "listings-of-host", list, func(host int64, page int) []string { return []string{ofHost.Of(host)} })
	search         = keys.Define2[string, int](&market, "search", list, nil) // query, page
	user           = keys.Define1[int64](&market, "user", detail, nil)
	userByEmail    = keys.Define1[string](&market, "user-by-email", detail, nil)
	booking        = keys.Define1[int64](&market, "booking", detail, nil)
	bookingsOfUser = keys.Define2(&market, "bookings-of-user", list, func(user int64, page int) []string { return []string{ofUser.Of(user)} })
	bookedDays     = keys.Define2[int64, int](&market, "booked-days", list, nil) // listing, year
	reviews        = keys.Define1[int64](&market, "reviews", list, nil)          // of a listing
	reviewStats    = keys.Define1[int64](&market, "review-stats", detail, nil)   // of a listing
	reviewsByUser  = keys.Define1[int64](&market, "reviews-by-user", list, nil)
)

// The events of the marketplace. A change has the old value of what may have changed, too:
// the city that a listing has left shows it as well.
type (
	ListingChanged struct {
		ID, Host         int64
		City, CityBefore string
	}
	UserChanged struct {
		ID                 int64
		Email, EmailBefore string
	}
	BookingChanged struct {
		ID, User, Listing int64
		Years             []int
	}
	ReviewChanged struct{ Listing, User int64 }
)

// marketRules are what each event invalidates.
func marketRules() *invalidate.Rules {
	r := invalidate.NewRules()
	invalidate.On(r, func(e ListingChanged) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(listing, e.ID).Because("its page"),
			invalidate.Tags(inCity.Of(e.City), inCity.Of(e.CityBefore)).Because("lists of its city, now and before"),
			invalidate.Tags(ofHost.Of(e.Host)).Because("lists of its owner"),
			invalidate.All(search).Because("any search may find it"),
		}
	}, listing, listingsInCity, listingsOfHost, search)
	invalidate.On(r, func(e UserChanged) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(user, e.ID),
			invalidate.IDs(userByEmail, e.Email, e.EmailBefore),
		}
	}, user, userByEmail)
	invalidate.On(r, func(e BookingChanged) invalidate.Targets {
		ts := invalidate.Targets{
			invalidate.IDs(booking, e.ID),
			invalidate.Tags(ofUser.Of(e.User)).Because("lists of the user"),
		}
		for _, year := range e.Years {
			ts = append(ts, invalidate.IDs(bookedDays, keys.ID2[int64, int]{A: e.Listing, B: year}))
		}
		return ts
	}, booking, bookingsOfUser, bookedDays)
	invalidate.On(r, func(e ReviewChanged) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(reviews, e.Listing),
			invalidate.IDs(reviewStats, e.Listing).Because("number and average"),
			invalidate.IDs(reviewsByUser, e.User),
		}
	}, reviews, reviewStats, reviewsByUser)
	return r
}

func ExampleRules_Explain() {
	rules := marketRules()
	fmt.Println(market.Err(), rules.Err())
	targets, err := rules.Explain(
		ListingChanged{ID: 42, Host: 7, City: "paris", CityBefore: "lyon"},
		UserChanged{ID: 7, Email: "ann@example.org", EmailBefore: "ann@example.com"},
		BookingChanged{ID: 3, User: 7, Listing: 42, Years: []int{2027}},
		ReviewChanged{Listing: 42, User: 7},
	)
	for _, t := range targets {
		fmt.Println(t)
	}
	fmt.Println(err)
	// Output:
	// <nil> <nil>
	// listing "42": its page (ListingChanged)
	// tag "city:paris", "city:lyon": lists of its city, now and before (ListingChanged)
	// tag "host:7": lists of its owner (ListingChanged)
	// all of search: any search may find it (ListingChanged)
	// user "7" (UserChanged)
	// user-by-email "ann@example.org", "ann@example.com" (UserChanged)
	// booking "3" (BookingChanged)
	// tag "user:7": lists of the user (BookingChanged)
	// booked-days "42:2027" (BookingChanged)
	// reviews "42" (ReviewChanged)
	// review-stats "42": number and average (ReviewChanged)
	// reviews-by-user "7" (ReviewChanged)
	// <nil>
}
