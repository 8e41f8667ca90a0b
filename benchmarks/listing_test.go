package benchmarks_test

import (
	"strconv"
	"time"
)

// A listing is the value of all suites: a row of 20 fields, half a kilobyte when
// encoded.
type listing struct {
	ID          int64     `msgpack:"id" json:"id"`
	HostID      int64     `msgpack:"host_id" json:"host_id"`
	Title       string    `msgpack:"title" json:"title"`
	Description string    `msgpack:"description" json:"description"`
	City        string    `msgpack:"city" json:"city"`
	Country     string    `msgpack:"country" json:"country"`
	Street      string    `msgpack:"street" json:"street"`
	Latitude    float64   `msgpack:"lat" json:"lat"`
	Longitude   float64   `msgpack:"lon" json:"lon"`
	PriceCents  int64     `msgpack:"price_cents" json:"price_cents"`
	Currency    string    `msgpack:"currency" json:"currency"`
	Bedrooms    int       `msgpack:"bedrooms" json:"bedrooms"`
	Bathrooms   int       `msgpack:"bathrooms" json:"bathrooms"`
	MaxGuests   int       `msgpack:"max_guests" json:"max_guests"`
	Rating      float64   `msgpack:"rating" json:"rating"`
	Reviews     int       `msgpack:"reviews" json:"reviews"`
	Superhost   bool      `msgpack:"superhost" json:"superhost"`
	Amenities   []string  `msgpack:"amenities" json:"amenities"`
	CreatedAt   time.Time `msgpack:"created_at" json:"created_at"`
	UpdatedAt   time.Time `msgpack:"updated_at" json:"updated_at"`
}

func newListing(i int) listing {
	return listing{
		ID: int64(i), HostID: 99120, Title: "Bright loft by the canal, no. " + strconv.Itoa(i), City: "Amsterdam", Country: "NL",
		Description: "Two floors, a quiet street, a kitchen that asks to be used, and a view over the water.",
		Street:      "Prinsengracht 263", Latitude: 52.3752, Longitude: 4.8840, PriceCents: 18900, Currency: "EUR",
		Bedrooms: 2, Bathrooms: 1, MaxGuests: 4, Rating: 4.87, Reviews: 312, Superhost: true,
		Amenities: []string{"wifi", "kitchen", "washer", "heating", "workspace"},
		CreatedAt: time.Unix(1_700_000_000, 123_000_000), UpdatedAt: time.Unix(1_760_000_000, 0),
	}
}

func newPointer(i int) *listing {
	l := newListing(i)
	return &l
}

func idOf(l listing) int64 { return l.ID }
