package market

import "github.com/lokroom/strata/invalidate"

// The events of the marketplace. A change has the old value of what decides where a row is shown.
type (
	ListingChanged struct {
		ID         int64
		City       string // empty: the listing was deleted
		CityBefore string // empty: the listing is new
	}
	UserChanged struct {
		ID                 int64
		Email, EmailBefore string
	}
	BookingChanged   struct{ User int64 }
	ReviewAdded      struct{ Listing int64 }
	AmenitiesChanged struct{}
)

// rules returns what each event invalidates.
func (m *Market) rules() *invalidate.Rules {
	r := invalidate.NewRules()
	invalidate.On(r, func(e ListingChanged) invalidate.Targets {
		ts := invalidate.Targets{invalidate.Tags(rowOf.Of(e.ID)).Because("its page, in every release")}
		if e.City == e.CityBefore {
			return ts // searches show the new values: they share those of the cache of listings
		}
		for _, city := range []string{e.City, e.CityBefore} {
			if city != "" {
				ts = append(ts, invalidate.Tags(searchesIn.Of(city)).Because("searches in a city that it has joined or left"))
			}
		}
		ts = append(ts, invalidate.Tags(searchesIn.Of("")).Because("searches in all cities"))
		if e.City == "" {
			ts = append(ts, invalidate.IDs(reviews, e.ID), invalidate.IDs(stats, e.ID))
		}
		return ts
	}, listing, m.search.IDs(), reviews, stats)
	invalidate.On(r, func(e UserChanged) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(user, e.ID),
			invalidate.IDs(m.byEmail.IDs(), e.Email, e.EmailBefore),
		}
	}, user, m.byEmail.IDs())
	invalidate.On(r, func(e BookingChanged) invalidate.Targets {
		return invalidate.Targets{invalidate.Tags(bookingsOf.Of(e.User), bookingsOf.Of(0)).Because("pages of the user and of all users")}
	}, bookings)
	invalidate.On(r, func(e ReviewAdded) invalidate.Targets {
		return invalidate.Targets{
			invalidate.IDs(reviews, e.Listing),
			invalidate.IDs(stats, e.Listing).Because("number and average"),
		}
	}, reviews, stats)
	invalidate.On(r, func(AmenitiesChanged) invalidate.Targets {
		return invalidate.Targets{invalidate.All(m.amenities.Cache())}
	}, m.amenities.Cache())
	return r
}
