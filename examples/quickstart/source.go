package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// A Listing is a row of the database.
type Listing struct {
	ID, HostID         int64
	Version            int // incremented by every change
	Title, Description string
	City, Country      string
	Latitude           float64
	Longitude          float64
	PricePerNight      int
	Currency           string
	Guests, Bedrooms   int
	Beds, Bathrooms    int
	Rating             float64
	Reviews            int
	Amenities          []string
	InstantBook        bool
	ChangedAt          time.Time
}

const (
	listingCount = 10_000
	atOnce       = 32   // number of reads that the database serves concurrently
	slowest      = 5000 // a listing that takes longer than the others
)

// A database simulates a database: it is correct and slow.
type database struct {
	reads atomic.Int64
	slots chan struct{}

	mu      sync.Mutex
	changed map[int64]change
}

type change struct {
	version int
	at      time.Time
}

func newDatabase() *database {
	return &database{slots: make(chan struct{}, atOnce), changed: make(map[int64]change)}
}

// Listing reads one listing, in 2 to 5 ms, the slowest in 50. It is what the cache
// calls.
func (db *database) Listing(ctx context.Context, id int64) (Listing, error) {
	select {
	case db.slots <- struct{}{}:
		defer func() { <-db.slots }()
	case <-ctx.Done():
		return Listing{}, ctx.Err()
	}
	db.reads.Add(1)
	// The answer is that of the moment at which the query arrives, and then on
	// its way: that is when a change can overtake it.
	l, err := db.row(id)
	latency := 2*time.Millisecond + time.Duration(uint64(id)*2654435761%3000)*time.Microsecond
	if id == slowest {
		latency = 50 * time.Millisecond
	}
	select {
	case <-time.After(latency):
		return l, err
	case <-ctx.Done():
		return Listing{}, ctx.Err()
	}
}

// Reprice changes a listing.
func (db *database) Reprice(id int64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.changed[id] = change{version: db.changed[id].version + 1, at: time.Now()}
}

func (db *database) row(id int64) (Listing, error) {
	if id < 1 || id > listingCount {
		return Listing{}, fmt.Errorf("listing %d: %w", id, store.ErrNotFound) // this is how a loader says so
	}
	db.mu.Lock()
	c := db.changed[id]
	db.mu.Unlock()
	n := int(id)
	return Listing{
		ID: id, HostID: id % 997, Version: c.version, ChangedAt: c.at,
		Title:       fmt.Sprintf("Apartment %d, two minutes from the station", id),
		Description: "Bright rooms on the third floor, a kitchen with everything, a balcony to the yard.",
		City:        "Lisbon", Country: "Portugal",
		Latitude: 38.7 + float64(n%100)/1000, Longitude: -9.1 - float64(n%77)/1000,
		PricePerNight: 40 + n%160 + c.version, Currency: "EUR",
		Guests: 2 + n%4, Bedrooms: 1 + n%3, Beds: 1 + n%4, Bathrooms: 1 + n%2,
		Rating: 3.5 + float64(n%15)/10, Reviews: n % 300,
		Amenities:   []string{"wifi", "kitchen", "washer", "balcony"},
		InstantBook: n%2 == 0,
	}, nil
}
