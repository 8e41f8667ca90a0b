// Package databasesql puts caches in front of database/sql.
package databasesql

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A Listing is a row of listings.
type Listing struct {
	ID    int64
	Title string
	Price int64
}

// A Booking is a row of bookings.
type Booking struct {
	Guest string
	Night time.Time
}

// A Shop reads through caches and writes to the database. Its methods are safe for concurrent use.
type Shop struct {
	db       *sql.DB
	listings *strata.Cache[int64, Listing]
	bookings *strata.Cache[int64, []Booking] // by the id of the listing
	outbox   *outbox.Outbox
}

// New returns a shop on b, which has Config.NotFound: sql.ErrNoRows.
func New(b *strata.Backend, db *sql.DB) (*Shop, error) {
	s := &Shop{db: db}
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

// A conn is the database or a transaction.
type conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// conn returns the transaction of ctx, so that a loader reads what it has written, or the database.
func (s *Shop) conn(ctx context.Context) conn {
	if tx := outbox.TxFrom(ctx); tx != nil {
		return tx
	}
	return s.db
}

func (s *Shop) loadListing(ctx context.Context, id int64) (Listing, error) {
	l := Listing{ID: id}
	err := s.conn(ctx).QueryRowContext(ctx, "SELECT title, price FROM listings WHERE id = $1", id).Scan(&l.Title, &l.Price)
	return l, err
}

func (s *Shop) loadBookings(ctx context.Context, listing int64) (all []Booking, err error) {
	rows, err := s.conn(ctx).QueryContext(ctx, "SELECT guest, night FROM bookings WHERE listing = $1 ORDER BY night", listing)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b Booking
		if err := rows.Scan(&b.Guest, &b.Night); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
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
	if _, err := s.db.ExecContext(ctx, "UPDATE listings SET price = $2 WHERE id = $1", id, price); err != nil {
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
		_, err := tx.ExecContext(ctx, "INSERT INTO bookings (listing, guest, night) VALUES ($1, $2, $3)", listing, guest, night)
		if err != nil {
			return err
		}
		return tx.Record(recipes.Booked{Listing: listing})
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23505" { // unique_violation
		return recipes.ErrTaken
	}
	return err
}

// Relay applies what the outbox has, until ctx ends. Run it in each process.
func (s *Shop) Relay(ctx context.Context) error { return s.outbox.Relay(ctx) }
