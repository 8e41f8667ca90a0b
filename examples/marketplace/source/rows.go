// Package source is the database of the marketplace: SQLite or PostgreSQL. It knows nothing of
// caches.
package source

import (
	"errors"
	"strings"
)

// PageSize is the number of rows on a page of search results and of bookings.
const PageSize = 20

var (
	// ErrTaken is the error of a booking of nights that another booking has.
	ErrTaken = errors.New("at least one of the nights is taken")

	// ErrEmail is the error of a change to an e-mail address that another user has.
	ErrEmail = errors.New("another user has this e-mail address")
)

// A Listing is a place to stay.
type Listing struct {
	ID          int64    `json:"id"`
	Host        int64    `json:"host"`
	City        string   `json:"city"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Price       Euros    `json:"price"` // a night
	Amenities   []string `json:"amenities"`
	Revision    int64    `json:"revision"` // grows with every change of the row
}

// A User is a guest or a host.
type User struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// A Booking is a stay of a user.
type Booking struct {
	ID         int64  `json:"id"`
	Listing    int64  `json:"listing"`
	User       int64  `json:"user"`
	FirstNight string `json:"first_night"` // 2026-12-24
	Nights     int    `json:"nights"`
}

// A Review is the opinion of a guest.
type Review struct {
	ID      int64  `json:"id"`
	Listing int64  `json:"listing"`
	User    int64  `json:"user"`
	Stars   int    `json:"stars"` // 1 to 5
	Text    string `json:"text"`
}

// ReviewStats summarize all reviews of a listing.
type ReviewStats struct {
	Count   int     `json:"count"`
	Average float64 `json:"average"`
}

// A Query selects listings. Zero fields select all.
type Query struct {
	City     string
	Text     string // part of the title, in any case
	MaxPrice int
	Page     int // 1 is the first
}

// Normal returns the form of q that all equivalent queries share.
func (q Query) Normal() Query {
	q.Text = strings.ToLower(strings.Join(strings.Fields(q.Text), " "))
	q.Page = max(q.Page, 1)
	q.MaxPrice = max(q.MaxPrice, 0)
	return q
}

// Matches reports whether a normal q selects l.
func (q Query) Matches(l Listing) bool {
	return (q.City == "" || q.City == l.City) &&
		(q.MaxPrice == 0 || l.Price <= Euros(q.MaxPrice)) &&
		strings.Contains(strings.ToLower(l.Title), q.Text)
}
