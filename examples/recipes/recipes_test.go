package recipes_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/examples/recipes/databasesql"
	"github.com/lokroom/strata/examples/recipes/entdb"
	"github.com/lokroom/strata/examples/recipes/entdb/ent"
	"github.com/lokroom/strata/examples/recipes/gormdb"
	"github.com/lokroom/strata/examples/recipes/sqlcpgx"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// A shop is one of the recipes.
type shop interface {
	SetPrice(ctx context.Context, id, price int64) error
	Book(ctx context.Context, listing int64, guest string, night time.Time) error
	Relay(ctx context.Context) error
}

// A recipe opens its shop on a database. missing configures what its database returns for a row
// that does not exist.
type recipe struct {
	missing strata.Config
	open    func(t *testing.T, b *strata.Backend, url string) reader
}

// A reader is a shop with its reads.
type reader struct {
	shop
	price  func(ctx context.Context, id int64) (int64, error)
	guests func(ctx context.Context, listing int64) (string, error) // those of all nights
}

// newReader returns a reader of a shop whose reads return rows of any type.
func newReader[L, B any](s interface {
	shop
	Listing(context.Context, int64) (L, error)
	Bookings(context.Context, int64) ([]B, error)
}, price func(L) int64, guest func(B) string) reader {
	return reader{
		shop: s,
		price: func(ctx context.Context, id int64) (int64, error) {
			l, err := s.Listing(ctx, id)
			return price(l), err
		},
		guests: func(ctx context.Context, listing int64) (all string, err error) {
			rows, err := s.Bookings(ctx, listing)
			for _, row := range rows {
				all += guest(row) + " "
			}
			return all, err
		},
	}
}

var all = map[string]recipe{
	"database/sql": {strata.Config{NotFound: []error{sql.ErrNoRows}}, func(t *testing.T, b *strata.Backend, url string) reader {
		s, err := databasesql.New(b, openSQL(t, url))
		check(t, err)
		return newReader(s, func(l databasesql.Listing) int64 { return l.Price }, func(b databasesql.Booking) string { return on(b.Guest, b.Night) })
	}},
	"sqlc and pgx": {strata.Config{NotFound: []error{pgx.ErrNoRows}}, func(t *testing.T, b *strata.Backend, url string) reader {
		pool, err := pgxpool.New(t.Context(), url+"&pool_max_conns=1")
		check(t, err)
		t.Cleanup(pool.Close)
		s, err := sqlcpgx.New(b, pool)
		check(t, err)
		t.Cleanup(func() { s.Close() })
		return newReader(s, sqlcPrice, sqlcGuest)
	}},
	"gorm": {strata.Config{NotFound: []error{gorm.ErrRecordNotFound}}, func(t *testing.T, b *strata.Backend, url string) reader {
		db, err := gorm.Open(postgres.New(postgres.Config{Conn: openSQL(t, url)}), &gorm.Config{
			TranslateError: true, Logger: logger.Default.LogMode(logger.Silent),
		})
		check(t, err)
		s, err := gormdb.New(b, db)
		check(t, err)
		return newReader(s, func(l gormdb.Listing) int64 { return l.Price }, func(b gormdb.Booking) string { return on(b.Guest, b.Night) })
	}},
	"ent": {strata.Config{IsNotFound: ent.IsNotFound}, func(t *testing.T, b *strata.Backend, url string) reader {
		s, err := entdb.New(b, openSQL(t, url))
		check(t, err)
		return newReader(s, func(l entdb.Listing) int64 { return l.Price }, func(b entdb.Booking) string { return on(b.Guest, b.Night) })
	}},
}

func on(guest string, night time.Time) string {
	return fmt.Sprintf("%s on %s", guest, night.Format(time.DateOnly))
}

// openSQL opens a database with one connection: a statement of a booking outside of its
// transaction would wait for that.
func openSQL(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	check(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var christmas = time.Date(2031, 12, 24, 0, 0, 0, 0, time.UTC)

// A suite has the database of one recipe.
type suite struct {
	recipe
	url   string
	db    *sql.DB // changes rows behind the caches
	redis string
}

// process returns a shop with caches of its own; with Redis if redis is not empty.
func (s *suite) process(t *testing.T, redis string) reader {
	t.Helper()
	c := s.missing
	c.RedisURL = redis
	b, err := strata.Open(t.Context(), &c)
	check(t, err)
	r := s.open(t, b, s.url)
	t.Cleanup(func() { b.Close() })
	return r
}

func (s *suite) exec(t *testing.T, query string) {
	t.Helper()
	_, err := s.db.ExecContext(t.Context(), query)
	check(t, err)
}

func (s *suite) count(t *testing.T, table string) (n int) {
	t.Helper()
	check(t, s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func wantPrice(t *testing.T, r reader, id, want int64) {
	t.Helper()
	if got, err := r.price(t.Context(), id); err != nil || got != want {
		t.Errorf("listing %d costs %d, %v; want %d", id, got, err, want)
	}
}

func wantGuests(t *testing.T, r reader, want string) {
	t.Helper()
	if got, err := r.guests(t.Context(), 1); err != nil || got != want {
		t.Errorf("the bookings are %q, %v; want %q", got, err, want)
	}
}

// book books Christmas.
func book(t *testing.T, r reader, listing int64, guest string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return r.Book(ctx, listing, guest, christmas)
}

func wantTaken(t *testing.T, r reader) {
	t.Helper()
	if err := book(t, r, 1, "Bob"); !errors.Is(err, recipes.ErrTaken) {
		t.Errorf("the second booking of a night: %v", err)
	}
}
