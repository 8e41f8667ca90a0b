// Package recipes has what the recipes in its folders share: the tables, and the events that
// invalidate caches. README.md compares them.
package recipes

import (
	_ "embed"
	"errors"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

//go:embed schema.sql
var tables string

// Schema creates the tables of PostgreSQL, with those of the outbox.
var Schema = tables + outbox.Schema(outbox.PostgreSQL)

// ErrTaken is the error of a night that another guest has booked. The unique key of the table
// decides, not a cache.
var ErrTaken = errors.New("the night is taken")

// Booked is the event of a booking. It is a row of the outbox in the transaction of the booking.
type Booked struct {
	Listing int64 `json:"listing"`
}

// NewBus returns a bus for b, with the rule that a booking changes the bookings of its listing.
func NewBus(b *strata.Backend, bookings invalidate.Cache[int64]) (*invalidate.Bus, error) {
	rules := invalidate.NewRules()
	invalidate.On(rules, func(e Booked) invalidate.Targets {
		return invalidate.Targets{invalidate.IDs(bookings, e.Listing)}
	}, bookings)
	return invalidate.NewBus(rules, b, nil)
}
