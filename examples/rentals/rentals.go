// Package rentals is the data layer of a service for short lets: listings, users, bookings,
// reviews and amenities, with counters and rate limits, in any number of processes.
package rentals

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
)

// The rows of the database.
type (
	Listing struct {
		ID    int64
		City  string
		Title string
		Price int
	}
	User struct {
		ID    int64
		Email string
	}
	Review struct {
		Stars int
		Text  string
	}
	Night struct { // the id of a booking
		Listing int64
		Date    string // 2026-12-24
	}
)

// A Database is the source of all values. A row that is missing is sql.ErrNoRows or, in a batch,
// missing from the map.
type Database interface {
	Listings(ctx context.Context, ids []int64) (map[int64]Listing, error)
	ListingsOf(ctx context.Context, city string) ([]int64, error)
	SaveListing(ctx context.Context, l Listing) error
	User(ctx context.Context, id int64) (User, error)
	UserOf(ctx context.Context, email string) (int64, error)
	Reviews(ctx context.Context, listing int64) ([]Review, error)
	AddReview(ctx context.Context, listing int64, r Review) error
	Guest(ctx context.Context, n Night) (int64, error)
	Book(ctx context.Context, n Night, user int64) error // ErrTaken, by a unique key
	Amenities(ctx context.Context) (map[string]string, error)
}

// ErrTaken is the error of a night that another user has, or is about to book.
var ErrTaken = errors.New("the night is taken")

// Rentals answers from its caches, and from the database.
type Rentals struct {
	db        Database
	listings  *strata.Cache[int64, Listing]
	inCity    *strata.List[string, int64, Listing]
	users     *strata.Cache[int64, User]
	byEmail   *strata.Index[string, int64, User]
	reviews   *strata.Cache[int64, []Review]
	guests    *strata.Cache[Night, int64]
	holds     *strata.Cache[Night, int64]
	amenities *strata.Single[map[string]string]
	views     *strata.Counter[int64]
	perClient *redislimit.Limiter
}

// New returns the data layer on b. Open b with Config.NotFound: sql.ErrNoRows.
func New(b *strata.Backend, db Database) (*Rentals, error) {
	r := &Rentals{db: db}
	var errs [10]error
	r.listings, errs[0] = strata.New(b, "listing", nil, &strata.Options[int64, Listing]{
		TTL: time.Hour, StaleFor: 24 * time.Hour, LoadMany: db.Listings,
	})
	r.users, errs[1] = strata.New(b, "user", db.User, nil)
	r.reviews, errs[2] = strata.New(b, "reviews", db.Reviews, &strata.Options[int64, []Review]{RefreshAhead: 0.8})
	r.guests, errs[3] = strata.New(b, "guest", db.Guest, nil)
	r.holds, errs[4] = strata.New[Night, int64](b, "hold", nil, &strata.Options[Night, int64]{TTL: 10 * time.Minute})
	r.amenities, errs[5] = strata.NewSingle(b, "amenities", db.Amenities, &strata.Options[strata.OnlyID, map[string]string]{
		TTL: time.Hour, RefreshEvery: time.Minute,
	})
	r.views, errs[6] = strata.NewCounter[int64](b, "views", 24*time.Hour)
	r.perClient, errs[7] = redislimit.On(b, nil, ratelimit.Policy{Name: "client", Limit: 100, Window: time.Minute})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	r.inCity, errs[8] = strata.NewList(r.listings, "listings in city", db.ListingsOf, nil)
	r.byEmail, errs[9] = strata.NewIndex(r.users, "user by email", db.UserOf, func(u User) string { return u.Email }, nil)
	return r, errors.Join(errs[:]...)
}

// Listing returns a listing, and how often it was viewed today.
func (r *Rentals) Listing(ctx context.Context, id int64) (l Listing, views int64, err error) {
	if l, err = r.listings.Get(ctx, id); err != nil {
		return l, 0, err
	}
	views, err = r.views.Add(ctx, id, 1)
	if errors.Is(err, store.ErrUnavailable) {
		err = nil // without Redis, nobody counts
	}
	return l, views, err
}

// InCity returns the listings of a city.
func (r *Rentals) InCity(ctx context.Context, city string) ([]Listing, error) {
	return r.inCity.Get(ctx, city)
}

// SaveListing changes a listing that was old; a zero old is a new listing.
func (r *Rentals) SaveListing(ctx context.Context, old, l Listing) error {
	if err := r.db.SaveListing(ctx, l); err != nil {
		return err
	}
	err := r.listings.Delete(ctx, l.ID)
	if old.City != l.City {
		err = errors.Join(err, r.inCity.Delete(ctx, old.City, l.City))
	}
	return changed(err)
}

// UserOf returns the user with an e-mail address.
func (r *Rentals) UserOf(ctx context.Context, email string) (User, error) {
	return r.byEmail.Get(ctx, email)
}

// Reviews returns the reviews of a listing.
func (r *Rentals) Reviews(ctx context.Context, listing int64) ([]Review, error) {
	return r.reviews.Get(ctx, listing)
}

// Review adds a review.
func (r *Rentals) Review(ctx context.Context, listing int64, v Review) error {
	if err := r.db.AddReview(ctx, listing, v); err != nil {
		return err
	}
	return changed(r.reviews.Delete(ctx, listing))
}

// Book books a night. Of several users at the same time, in all processes, one goes on to the
// database, which decides.
func (r *Rentals) Book(ctx context.Context, n Night, user int64) error {
	if _, err := r.guests.Get(ctx, n); err == nil {
		return ErrTaken
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	held, err := r.holds.Add(ctx, n, user)
	if err == nil && !held {
		return ErrTaken
	}
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	defer func() { _ = r.holds.Delete(ctx, n) }()
	if err := r.db.Book(ctx, n, user); err != nil {
		return err
	}
	return changed(r.guests.Delete(ctx, n))
}

// Amenities returns all amenities by their codes, from memory.
func (r *Rentals) Amenities(ctx context.Context) (map[string]string, error) {
	return r.amenities.Get(ctx)
}

// Limit allows each client 100 requests a minute, in all processes together.
func (r *Rentals) Limit(next http.Handler) http.Handler {
	return ratelimit.Middleware(r.perClient, ratelimit.ByIP())(next)
}

// changed returns the error of an invalidation after a change of the database, which is made:
// Strata retries what Redis has not received.
func changed(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the change is made, but caches may show the old value: %w", err)
	}
	return nil
}
