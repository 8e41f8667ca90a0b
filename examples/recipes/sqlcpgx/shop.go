// Package sqlcpgx puts caches in front of queries that sqlc has generated for pgx.
package sqlcpgx

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/examples/recipes/sqlcpgx/db"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A Shop reads through caches and writes to the database. Its methods are safe for concurrent use.
type Shop struct {
	pool     *pgxpool.Pool
	queries  *db.Queries
	listings *strata.Cache[int64, db.Listing]
	bookings *strata.Cache[int64, []db.Booking] // by the id of the listing
	bus      *invalidate.Bus
	outbox   *outbox.Outbox
	relayed  *sql.DB // the pool, as the relay needs it
}

// New returns a shop on b, which has Config.NotFound: pgx.ErrNoRows. Close it before pool.
func New(b *strata.Backend, pool *pgxpool.Pool) (*Shop, error) {
	s := &Shop{pool: pool, queries: db.New(pool)}
	var errs [2]error
	s.listings, errs[0] = strata.New(b, "listing", s.queries.Listing, nil)
	s.bookings, errs[1] = strata.New(b, "bookings", s.queries.Bookings, nil)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	var err error
	if s.bus, err = recipes.NewBus(b, s.bookings); err != nil {
		return nil, err
	}
	s.relayed = stdlib.OpenDBFromPool(pool)
	s.outbox, err = outbox.New(s.relayed, outbox.PostgreSQL, s.bus, nil)
	return s, err
}

// Close returns the connections of the relay to the pool.
func (s *Shop) Close() error { return s.relayed.Close() }

// Listing returns a listing, or an error that wraps store.ErrNotFound.
func (s *Shop) Listing(ctx context.Context, id int64) (db.Listing, error) {
	return s.listings.Get(ctx, id)
}

// Bookings returns the bookings of a listing.
func (s *Shop) Bookings(ctx context.Context, listing int64) ([]db.Booking, error) {
	return s.bookings.Get(ctx, listing)
}

// SetPrice changes the price of a listing: first the database, then the cache.
func (s *Shop) SetPrice(ctx context.Context, id, price int64) error {
	if err := s.queries.SetPrice(ctx, db.SetPriceParams{ID: id, Price: price}); err != nil {
		return err
	}
	return s.listings.Delete(ctx, id)
}

// execer lets an outbox write in a transaction of pgx.
type execer struct{ pgx.Tx }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// Book adds a booking, or returns recipes.ErrTaken. When it returns nil, this process shows the
// booking, and after a crash the relay of another process invalidates.
func (s *Shop) Book(ctx context.Context, listing int64, guest string, night time.Time) error {
	event := recipes.Booked{Listing: listing}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := s.queries.WithTx(tx).AddBooking(ctx, db.AddBookingParams{
			Listing: listing, Guest: guest, Night: pgtype.Date{Time: night, Valid: true},
		})
		if err != nil {
			return err
		}
		return s.outbox.Record(ctx, execer{tx}, event)
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23505" { // unique_violation
		return recipes.ErrTaken
	}
	if err != nil {
		return err
	}
	// The booking is committed, whether or not the client is still there.
	if err := s.bus.Publish(context.WithoutCancel(ctx), event); err != nil {
		slog.Warn("the relay repeats an invalidation", "error", err)
	}
	return nil
}

// Relay applies what the outbox has, until ctx ends. Run it in each process.
func (s *Shop) Relay(ctx context.Context) error { return s.outbox.Relay(ctx) }
