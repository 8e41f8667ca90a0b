package market

import (
	"context"

	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/invalidate/outbox"
)

// Each write is a transaction that also records what has changed. When it returns nil, the
// transaction is committed, and this process has dropped its old values. If the process crashes
// between the two, the relay of any process invalidates them.

// AddListing returns l with its id.
func (m *Market) AddListing(ctx context.Context, l source.Listing) (added source.Listing, err error) {
	err = m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if added, err = m.db.InsertListing(ctx, l); err != nil {
			return err
		}
		return tx.Record(ListingChanged{ID: added.ID, City: added.City})
	})
	return added, err
}

// SaveListing changes a listing, and returns it with its new revision.
func (m *Market) SaveListing(ctx context.Context, l source.Listing) (saved source.Listing, err error) {
	err = m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		before, err := m.db.City(ctx, l.ID)
		if err != nil {
			return err
		}
		if saved, err = m.db.UpdateListing(ctx, l); err != nil {
			return err
		}
		return tx.Record(ListingChanged{ID: l.ID, City: l.City, CityBefore: before})
	})
	return saved, err
}

// DeleteListing deletes a listing with its bookings and reviews.
func (m *Market) DeleteListing(ctx context.Context, id int64) error {
	return m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		before, err := m.db.City(ctx, id)
		if err != nil {
			return err
		}
		guests, err := m.db.GuestsOf(ctx, id)
		if err != nil {
			return err
		}
		events := []any{ListingChanged{ID: id, CityBefore: before}}
		for _, guest := range guests {
			events = append(events, BookingChanged{User: guest})
		}
		if err := m.db.DeleteListing(ctx, id); err != nil {
			return err
		}
		return tx.Record(events...)
	})
}

// SaveUser changes a user, or returns source.ErrEmail.
func (m *Market) SaveUser(ctx context.Context, u source.User) error {
	return m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		before, err := m.db.Email(ctx, u.ID)
		if err != nil {
			return err
		}
		if err := m.db.UpdateUser(ctx, u); err != nil {
			return err
		}
		return tx.Record(UserChanged{ID: u.ID, Email: u.Email, EmailBefore: before})
	})
}

// Book returns b with its id, or source.ErrTaken. The database decides, not a cache.
func (m *Market) Book(ctx context.Context, b source.Booking) (booked source.Booking, err error) {
	err = m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if _, err := m.db.City(ctx, b.Listing); err != nil {
			return err
		}
		if booked, err = m.db.Book(ctx, b); err != nil {
			return err
		}
		return tx.Record(BookingChanged{User: b.User})
	})
	return booked, err
}

// Cancel deletes a booking.
func (m *Market) Cancel(ctx context.Context, booking int64) error {
	return m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		user, err := m.db.Cancel(ctx, booking)
		if err != nil {
			return err
		}
		return tx.Record(BookingChanged{User: user})
	})
}

// Review returns v with its id.
func (m *Market) Review(ctx context.Context, v source.Review) (added source.Review, err error) {
	err = m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if _, err := m.db.City(ctx, v.Listing); err != nil {
			return err
		}
		if added, err = m.db.InsertReview(ctx, v); err != nil {
			return err
		}
		return tx.Record(ReviewAdded{Listing: v.Listing})
	})
	return added, err
}

// SaveAmenity adds or renames an amenity.
func (m *Market) SaveAmenity(ctx context.Context, code, name string) error {
	return m.outbox.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if err := m.db.SaveAmenity(ctx, code, name); err != nil {
			return err
		}
		return tx.Record(AmenitiesChanged{})
	})
}
