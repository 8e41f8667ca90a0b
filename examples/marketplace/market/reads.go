package market

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/keys"
)

// Listing returns a listing, and which tier had it. The error wraps store.ErrNotFound if there is
// none.
func (m *Market) Listing(ctx context.Context, id int64) (strata.Entry[source.Listing], error) {
	return m.listings.GetEntry(ctx, id)
}

// Search returns a page of the listings that q selects. A listing that is new, was deleted, or has
// changed its city is seen at once. One that a new price or title adds is seen within a minute.
func (m *Market) Search(ctx context.Context, q source.Query) ([]source.Listing, error) {
	q = q.Normal()
	found, err := m.search.Get(ctx, q)
	// The values are current, but the list may be older than their prices and titles.
	return slices.DeleteFunc(found, func(l source.Listing) bool { return !q.Matches(l) }), err
}

// SearchTags returns the invalidation tags of a search, and of pages that show it.
func SearchTags(q source.Query) []string { return []string{searchesIn.Of(q.City)} }

// User returns a user.
func (m *Market) User(ctx context.Context, id int64) (source.User, error) {
	return m.users.Get(ctx, id)
}

// UserByEmail returns the user with an e-mail address.
func (m *Market) UserByEmail(ctx context.Context, email string) (source.User, error) {
	return m.byEmail.Get(ctx, email)
}

// Bookings returns a page of the bookings of a user, or of all users if user is 0, newest first.
func (m *Market) Bookings(ctx context.Context, user int64, page int) ([]source.Booking, error) {
	return m.bookings.Get(ctx, keys.ID2[int64, int]{A: user, B: max(page, 1)})
}

// Reviews returns the newest reviews of a listing, and the statistics of all. It reads both at the
// same time, so that two misses take as long as one.
func (m *Market) Reviews(ctx context.Context, listing int64) ([]source.Review, source.ReviewStats, error) {
	var stats source.ReviewStats
	var errStats error
	var other sync.WaitGroup
	other.Go(func() { stats, errStats = m.stats.Get(ctx, listing) })
	newest, err := m.reviews.Get(ctx, listing)
	other.Wait()
	return newest, stats, errors.Join(err, errStats)
}

// Amenities returns the names of all amenities by their codes.
func (m *Market) Amenities(ctx context.Context) (map[string]string, error) {
	return m.amenities.Get(ctx)
}
