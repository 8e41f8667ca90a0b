// Package entdb puts caches in front of ent.
package entdb

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/examples/recipes/entdb/ent"
	"github.com/lokroom/strata/examples/recipes/entdb/ent/booking"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A Listing is what the cache keeps of an ent.Listing, whose client belongs to this process.
type Listing struct {
	ID    int64
	Title string
	Price int64
}

// A Booking is what the cache keeps of an ent.Booking.
type Booking struct {
	Guest string
	Night time.Time
}

// A Shop reads through caches and writes to the database. Its methods are safe for concurrent use.
type Shop struct {
	client   *ent.Client
	listings *strata.Cache[int64, Listing]
	bookings *strata.Cache[int64, []Booking] // by the id of the listing
	outbox   *outbox.Outbox
}

// New returns a shop on b, which has Config.IsNotFound: ent.IsNotFound.
func New(b *strata.Backend, db *sql.DB) (*Shop, error) {
	s := &Shop{client: ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, db)))}
	var errs [2]error
	s.listings, errs[0] = strata.New(b, "listing", s.loadListing, nil)
	s.bookings, errs[1] = strata.New(b, "bookings", s.loadBookings, nil)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	bus, err := recipes.NewBus(b, s.bookings)
	if err != nil {
		return nil, err
	}
	s.outbox, err = outbox.New(db, outbox.PostgreSQL, bus, nil)
	return s, err
}

// A txDriver is a driver whose transactions are those of an outbox: InTx commits.
type txDriver struct{ dialect.Driver }

func (d txDriver) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d.Driver), nil }

// conn returns ent on the transaction of ctx, if InTx has begun one, or on the database.
func (s *Shop) conn(ctx context.Context) *ent.Client {
	tx := outbox.TxFrom(ctx)
	if tx == nil {
		return s.client
	}
	return ent.NewClient(ent.Driver(txDriver{entsql.NewDriver(dialect.Postgres, entsql.Conn{ExecQuerier: tx})}))
}

func (s *Shop) loadListing(ctx context.Context, id int64) (Listing, error) {
	l, err := s.conn(ctx).Listing.Get(ctx, id)
	if err != nil {
		return Listing{}, err
	}
	return Listing{ID: l.ID, Title: l.Title, Price: l.Price}, nil
}

func (s *Shop) loadBookings(ctx context.Context, listing int64) (all []Booking, err error) {
	rows, err := s.conn(ctx).Booking.Query().Where(booking.Listing(listing)).Order(booking.ByNight()).All(ctx)
	for _, b := range rows {
		all = append(all, Booking{Guest: b.Guest, Night: b.Night})
	}
	return all, err
}

// Listing returns a listing, or an error that wraps store.ErrNotFound.
func (s *Shop) Listing(ctx context.Context, id int64) (Listing, error) {
	return s.listings.Get(ctx, id)
}

// Bookings returns the bookings of a listing.
func (s *Shop) Bookings(ctx context.Context, listing int64) ([]Booking, error) {
	return s.bookings.Get(ctx, listing)
}

// SetPrice changes the price of a listing: first the database, then the cache.
func (s *Shop) SetPrice(ctx context.Context, id, price int64) error {
	if err := s.conn(ctx).Listing.UpdateOneID(id).SetPrice(price).Exec(ctx); err != nil {
		return err
	}
	return s.listings.Delete(ctx, id)
}

// Book adds a booking, or returns recipes.ErrTaken. When it returns nil, this process shows the
// booking, and after a crash the relay of another process invalidates.
func (s *Shop) Book(ctx context.Context, listing int64, guest string, night time.Time) error {
	err := s.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if _, err := s.Listing(ctx, listing); err != nil { // is read in the transaction, and not kept
			return err
		}
		if err := s.conn(ctx).Booking.Create().SetListing(listing).SetGuest(guest).SetNight(night).Exec(ctx); err != nil {
			return err
		}
		return tx.Record(recipes.Booked{Listing: listing})
	})
	if ent.IsConstraintError(err) {
		return recipes.ErrTaken
	}
	return err
}

// Relay applies what the outbox has, until ctx ends. Run it in each process.
func (s *Shop) Relay(ctx context.Context) error { return s.outbox.Relay(ctx) }
