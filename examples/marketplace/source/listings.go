package source

import (
	"context"
	"database/sql"
	"strings"
)

const listingColumns = "id, host, city, title, description, price, amenities, revision"

func scanListing(scan func(...any) error) (l Listing, err error) {
	var amenities string
	err = scan(&l.ID, &l.Host, &l.City, &l.Title, &l.Description, &l.Price, &amenities, &l.Revision)
	l.Amenities = strings.Fields(amenities)
	return l, err
}

// Listings returns the listings with these ids. Those that do not exist are not in the map.
func (d *DB) Listings(ctx context.Context, ids []int64) (map[int64]Listing, error) {
	if err := d.begin(ctx, "listings"); err != nil {
		return nil, err
	}
	found := make(map[int64]Listing, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	in := "?" + strings.Repeat(", ?", len(ids)-1)
	err := d.rows(ctx, func(r *sql.Rows) error {
		l, err := scanListing(r.Scan)
		found[l.ID] = l
		return err
	}, "SELECT "+listingColumns+" FROM listings WHERE id IN ("+in+")", args...)
	return found, err
}

// Search returns the ids of one page of the listings that q selects.
func (d *DB) Search(ctx context.Context, q Query) (ids []int64, err error) {
	if err := d.begin(ctx, "search"); err != nil {
		return nil, err
	}
	where, args := []string{"1 = 1"}, []any{}
	if q.City != "" {
		where, args = append(where, "city = ?"), append(args, q.City)
	}
	if q.MaxPrice > 0 {
		where, args = append(where, "price <= ?"), append(args, q.MaxPrice)
	}
	if q.Text != "" {
		pattern := "%" + strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`).Replace(q.Text) + "%"
		where, args = append(where, "lower(title) LIKE ? ESCAPE '!'"), append(args, pattern)
	}
	args = append(args, PageSize, (q.Page-1)*PageSize)
	err = d.rows(ctx, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM listings WHERE "+strings.Join(where, " AND ")+" ORDER BY id LIMIT ? OFFSET ?", args...)
	return ids, err
}

// Popular returns the ids of the n listings with the most reviews.
func (d *DB) Popular(ctx context.Context, n int) (ids []int64, err error) {
	err = d.rows(ctx, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT listing FROM reviews GROUP BY listing ORDER BY count(*) DESC, listing LIMIT ?", n)
	return ids, err
}

// City returns the city of a listing, or sql.ErrNoRows.
func (d *DB) City(ctx context.Context, id int64) (city string, err error) {
	err = d.row(ctx, "SELECT city FROM listings WHERE id = ?", id).Scan(&city)
	return city, err
}

// InsertListing returns l as it was inserted, with its id and revision.
func (d *DB) InsertListing(ctx context.Context, l Listing) (Listing, error) {
	return scanListing(d.row(ctx, "INSERT INTO listings (host, city, title, description, price, amenities) VALUES (?, ?, ?, ?, ?, ?) RETURNING "+listingColumns,
		l.Host, l.City, l.Title, l.Description, l.Price, strings.Join(l.Amenities, " ")).Scan)
}

// UpdateListing changes all but the host of a listing, and returns the new row, or sql.ErrNoRows.
func (d *DB) UpdateListing(ctx context.Context, l Listing) (Listing, error) {
	return scanListing(d.row(ctx, `UPDATE listings SET city = ?, title = ?, description = ?, price = ?, amenities = ?, revision = revision + 1
		WHERE id = ? RETURNING `+listingColumns,
		l.City, l.Title, l.Description, l.Price, strings.Join(l.Amenities, " "), l.ID).Scan)
}

// DeleteListing deletes a listing with its bookings and reviews.
func (d *DB) DeleteListing(ctx context.Context, id int64) error {
	_, err := d.exec(ctx, "DELETE FROM listings WHERE id = ?", id)
	return err
}

// GuestsOf returns the users that have booked a listing.
func (d *DB) GuestsOf(ctx context.Context, listing int64) (users []int64, err error) {
	err = d.rows(ctx, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		users = append(users, id)
		return err
	}, "SELECT DISTINCT guest FROM bookings WHERE listing = ?", listing)
	return users, err
}

// Amenities returns the names of all amenities by their codes.
func (d *DB) Amenities(ctx context.Context) (map[string]string, error) {
	if err := d.begin(ctx, "amenities"); err != nil {
		return nil, err
	}
	names := make(map[string]string)
	err := d.rows(ctx, func(r *sql.Rows) error {
		var code, name string
		err := r.Scan(&code, &name)
		names[code] = name
		return err
	}, "SELECT code, name FROM amenities")
	return names, err
}

// SaveAmenity adds or renames an amenity.
func (d *DB) SaveAmenity(ctx context.Context, code, name string) error {
	_, err := d.exec(ctx, "INSERT INTO amenities (code, name) VALUES (?, ?) ON CONFLICT (code) DO UPDATE SET name = excluded.name", code, name)
	return err
}
