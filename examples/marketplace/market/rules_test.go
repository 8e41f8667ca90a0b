package market

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/source"
)

func newMarket(t *testing.T) *Market {
	t.Helper()
	db, err := source.Open(t.Context(), "", filepath.Join(t.TempDir(), "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := strata.Open(t.Context(), &strata.Config{NotFound: []error{sql.ErrNoRows}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	m, err := New(b, db)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRules: what each event invalidates, in words.
func TestRules(t *testing.T) {
	m := newMarket(t)
	for _, c := range []struct {
		event any
		want  string
	}{
		{ListingChanged{ID: 42, City: "Paris", CityBefore: "Paris"}, `
			tag "row-of:42": its page, in every release (ListingChanged)`},
		{ListingChanged{ID: 42, City: "Paris", CityBefore: "Lyon"}, `
			tag "row-of:42": its page, in every release (ListingChanged)
			tag "searches-in:Paris": searches in a city that it has joined or left (ListingChanged)
			tag "searches-in:Lyon": searches in a city that it has joined or left (ListingChanged)
			tag "searches-in:~": searches in all cities (ListingChanged)`},
		{ListingChanged{ID: 42, CityBefore: "Lyon"}, `
			tag "row-of:42": its page, in every release (ListingChanged)
			tag "searches-in:Lyon": searches in a city that it has joined or left (ListingChanged)
			tag "searches-in:~": searches in all cities (ListingChanged)
			reviews "42" (ListingChanged)
			review-stats "42" (ListingChanged)`},
		{UserChanged{ID: 7, Email: "ann@example.org", EmailBefore: "ann@example.com"}, `
			user "7" (UserChanged)
			user-by-email "ann@example.org", "ann@example.com" (UserChanged)`},
		{BookingChanged{User: 7}, `
			tag "bookings-of:7", "bookings-of:0": pages of the user and of all users (BookingChanged)`},
		{ReviewAdded{Listing: 42}, `
			reviews "42" (ReviewAdded)
			review-stats "42": number and average (ReviewAdded)`},
		{AmenitiesChanged{}, `
			all of amenities (AmenitiesChanged)`},
	} {
		targets, err := m.rules().Explain(c.event)
		got := ""
		for _, target := range targets {
			got += "\n" + fmt.Sprint(target)
		}
		if want := strings.ReplaceAll(c.want, "\t", ""); got != want || err != nil {
			t.Errorf("%+v invalidates %s\nwant %s\n%v", c.event, got, want, err)
		}
	}
}
