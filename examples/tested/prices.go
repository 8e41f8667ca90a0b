// Package tested is a small service whose tests use stratatest. docs/testing.md shows it.
package tested

import (
	"context"
	"time"

	"github.com/lokroom/strata"
)

// A Database has the price of each room.
type Database interface {
	Price(ctx context.Context, room string) (int, error)
	SetPrice(ctx context.Context, room string, price int) error
}

// Prices are the prices of rooms, cached for an hour.
type Prices struct {
	db    Database
	cache *strata.Cache[string, int]
}

// NewPrices returns the prices in db.
func NewPrices(b *strata.Backend, db Database) (*Prices, error) {
	c, err := strata.New(b, "price", db.Price, &strata.Options[string, int]{TTL: time.Hour, Jitter: -1, StaleFor: 24 * time.Hour})
	return &Prices{db, c}, err
}

// Get returns the price of a room.
func (p *Prices) Get(ctx context.Context, room string) (int, error) { return p.cache.Get(ctx, room) }

// Set changes the price of a room.
func (p *Prices) Set(ctx context.Context, room string, price int) error {
	if err := p.db.SetPrice(ctx, room, price); err != nil {
		return err
	}
	return p.cache.Delete(ctx, room)
}
