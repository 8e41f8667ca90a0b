// Package gormdb puts caches in front of gorm.
package gormdb

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/invalidate/outbox"
	"gorm.io/gorm"
)

// A Listing is a row of listings.
type Listing struct {
	ID    int64
	Title string
	Price int64
}

// A Booking is a row of bookings.
type Booking struct {
	ID      int64
	Listing int64
	Guest   string
	Night   time.Time `gorm:"type:date"`
}

// A Shop reads through caches and writes to the database. Its methods are safe for concurrent use.
type Shop struct {
	db       *gorm.DB
	listings *strata.Cache[int64, Listing]
	bookings *strata.Cache[int64, []Booking] // by the id of the listing
	outbox   *outbox.Outbox
}

// New returns a shop on b, which has Config.NotFound: gorm.ErrRecordNotFound. Open db with
// gorm.Config.TranslateError.
func New(b *strata.Backend, db *gorm.DB) (*Shop, error) {
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
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	s.outbox, err = outbox.New(pool, outbox.PostgreSQL, bus, nil)
	return s, err
}

// conn returns gorm on the transaction of ctx, if InTx has begun one, or on the database.
func (s *Shop) conn(ctx context.Context) *gorm.DB {
	db := s.db.WithContext(ctx)
	if tx := outbox.TxFrom(ctx); tx != nil {
		db.Statement.ConnPool = tx.Tx
	}
	return db
}

func (s *Shop) loadListing(ctx context.Context, id int64) (l Listing, err error) {
	err = s.conn(ctx).Take(&l, id).Error
	return l, err
}

func (s *Shop) loadBookings(ctx context.Context, listing int64) (all []Booking, err error) {
	err = s.conn(ctx).Where("listing = ?", listing).Order("night").Find(&all).Error
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
	if err := s.conn(ctx).Model(&Listing{ID: id}).Update("price", price).Error; err != nil {
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
		if err := s.conn(ctx).Create(&Booking{Listing: listing, Guest: guest, Night: night}).Error; err != nil {
			return err
		}
		return tx.Record(recipes.Booked{Listing: listing})
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return recipes.ErrTaken
	}
	return err
}

// Relay applies what the outbox has, until ctx ends. Run it in each process.
func (s *Shop) Relay(ctx context.Context) error { return s.outbox.Relay(ctx) }
