// Package market is the data layer of the marketplace: reads go through caches, and writes through
// an outbox that invalidates them.
package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
	"github.com/lokroom/strata/keys"
)

// A Market answers from its caches and from the database. Its methods are safe for concurrent use.
// Callers must not modify what they receive.
type Market struct {
	db        *source.DB
	listings  *strata.Cache[int64, source.Listing]
	search    *strata.List[source.Query, int64, source.Listing]
	users     *strata.Cache[int64, source.User]
	byEmail   *strata.Index[string, int64, source.User]
	bookings  *strata.Cache[keys.ID2[int64, int], []source.Booking]
	reviews   *strata.Cache[int64, []source.Review]
	stats     *strata.Cache[int64, source.ReviewStats]
	amenities *strata.Single[map[string]string]
	outbox    *outbox.Outbox
}

// New returns a market on b. Open b with Config.NotFound: sql.ErrNoRows.
func New(b *strata.Backend, db *source.DB) (*Market, error) {
	m := &Market{db: db}
	if err := errors.Join(registry.Err(), m.openCaches(b)); err != nil {
		return nil, fmt.Errorf("open the caches: %w", err)
	}
	bus, err := invalidate.NewBus(m.rules(), b, nil)
	if err != nil {
		return nil, err
	}
	database, dialect := db.SQL()
	m.outbox, err = outbox.New(database, dialect, bus, nil)
	return m, err
}

func (m *Market) openCaches(b *strata.Backend) error {
	var errs [6]error
	m.listings, errs[0] = strata.NewDefined(b, listing, nil, &strata.Options[int64, source.Listing]{
		LoadMany:     m.db.Listings,
		RefreshAhead: 0.8, // a listing that is read often never expires under its readers
		KeepHot:      1000,
	})
	m.users, errs[1] = strata.NewDefined(b, user, m.db.User, nil)
	m.bookings, errs[2] = strata.NewDefined(b, bookings, func(ctx context.Context, id keys.ID2[int64, int]) ([]source.Booking, error) {
		return m.db.Bookings(ctx, id.A, id.B)
	}, nil)
	m.reviews, errs[3] = strata.NewDefined(b, reviews, m.db.Reviews, nil)
	m.stats, errs[4] = strata.NewDefined(b, stats, m.db.ReviewStats, nil)
	m.amenities, errs[5] = strata.NewSingle(b, "amenities", m.db.Amenities, &strata.Options[strata.OnlyID, map[string]string]{
		TTL: static.TTL, StaleFor: static.StaleFor,
	})
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	var errList, errIndex error
	m.search, errList = strata.NewList(m.listings, "search", m.db.Search, &strata.Options[source.Query, []int64]{
		TTL: list.TTL, StaleFor: list.StaleFor,
		Tags: func(q source.Query, _ []int64) []string { return SearchTags(q) },
	})
	m.byEmail, errIndex = strata.NewIndex(m.users, "user-by-email", m.db.UserByEmail, func(u source.User) string { return u.Email },
		&strata.Options[string, int64]{
			TTL: detail.TTL, StaleFor: detail.StaleFor,
			AbsentFor: detail.TTL, // a rule invalidates what becomes known
		})
	return errors.Join(errList, errIndex)
}

// Relay applies the invalidations of writers that crashed, until ctx ends.
func (m *Market) Relay(ctx context.Context) error { return m.outbox.Relay(ctx) }

// Outbox returns the state of the outbox.
func (m *Market) Outbox(ctx context.Context) (outbox.Stats, error) { return m.outbox.Stats(ctx) }

// Warm loads what the first users will ask for: the listings that all processes have read most, as
// far as Redis knows, those with the most reviews, and the amenities.
func (m *Market) Warm(ctx context.Context) error {
	_, errHot := m.listings.WarmHot(ctx, 1000, nil)
	if errors.Is(errHot, errors.ErrUnsupported) {
		errHot = nil // without Redis, there is no list of what is hot
	}
	popular, errPopular := m.db.Popular(ctx, 1000)
	_, errListings := m.listings.Warm(ctx, slices.Values(popular), nil)
	hottest := popular[:min(200, len(popular))]
	_, errReviews := m.reviews.Warm(ctx, slices.Values(hottest), &strata.WarmOptions{Concurrency: 32})
	_, errStats := m.stats.Warm(ctx, slices.Values(hottest), &strata.WarmOptions{Concurrency: 32})
	_, errAmenities := m.amenities.Get(ctx)
	return errors.Join(errHot, errPopular, errListings, errReviews, errStats, errAmenities)
}

// SaveHot adds what this process has read most to the list that Warm reads. Call it before the end
// of the process.
func (m *Market) SaveHot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := m.listings.SaveHot(ctx, 1000); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
