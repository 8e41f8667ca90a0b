package source

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// User returns a user, or sql.ErrNoRows.
func (d *DB) User(ctx context.Context, id int64) (User, error) {
	if err := d.begin(ctx, "users"); err != nil {
		return User{}, err
	}
	u := User{ID: id}
	err := d.row(ctx, "SELECT name, email FROM users WHERE id = ?", id).Scan(&u.Name, &u.Email)
	return u, err
}

// UserByEmail returns the id of the user with an e-mail address, or sql.ErrNoRows.
func (d *DB) UserByEmail(ctx context.Context, email string) (id int64, err error) {
	if err := d.begin(ctx, "users"); err != nil {
		return 0, err
	}
	err = d.row(ctx, "SELECT id FROM users WHERE email = ?", email).Scan(&id)
	return id, err
}

// Email returns the e-mail address of a user, or sql.ErrNoRows.
func (d *DB) Email(ctx context.Context, id int64) (email string, err error) {
	err = d.row(ctx, "SELECT email FROM users WHERE id = ?", id).Scan(&email)
	return email, err
}

// UpdateUser changes a user that exists, or returns ErrEmail.
func (d *DB) UpdateUser(ctx context.Context, u User) error {
	n, err := d.exec(ctx, "UPDATE users SET name = ?, email = ? WHERE id = ? AND NOT EXISTS (SELECT 1 FROM users WHERE email = ? AND id <> ?)",
		u.Name, u.Email, u.ID, u.Email, u.ID)
	if err == nil && n == 0 {
		err = ErrEmail
	}
	return err
}

// Bookings returns a page of the bookings of a user, or of all users if user is 0, newest first.
func (d *DB) Bookings(ctx context.Context, user int64, page int) ([]Booking, error) {
	if err := d.begin(ctx, "bookings"); err != nil {
		return nil, err
	}
	where, args := "", []any{}
	if user != 0 {
		where, args = "WHERE guest = ? ", append(args, user)
	}
	found := []Booking{}
	err := d.rows(ctx, func(r *sql.Rows) error {
		var b Booking
		err := r.Scan(&b.ID, &b.Listing, &b.User, &b.FirstNight, &b.Nights)
		found = append(found, b)
		return err
	}, "SELECT id, listing, guest, first_night, nights FROM bookings "+where+"ORDER BY id DESC LIMIT ? OFFSET ?",
		append(args, PageSize, (page-1)*PageSize)...)
	return found, err
}

// Book inserts a booking, or returns ErrTaken. It requires a transaction: see outbox.InTx.
func (d *DB) Book(ctx context.Context, b Booking) (Booking, error) {
	first, err := time.Parse(time.DateOnly, b.FirstNight)
	if err != nil {
		return Booking{}, fmt.Errorf("first night: %w", err)
	}
	err = d.row(ctx, "INSERT INTO bookings (listing, guest, first_night, nights) VALUES (?, ?, ?, ?) RETURNING id",
		b.Listing, b.User, b.FirstNight, b.Nights).Scan(&b.ID)
	if err != nil {
		return Booking{}, err
	}
	for i := range b.Nights {
		night := first.AddDate(0, 0, i).Format(time.DateOnly)
		n, err := d.exec(ctx, "INSERT INTO nights (listing, night, booking) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", b.Listing, night, b.ID)
		if err != nil {
			return Booking{}, err
		}
		if n == 0 {
			return Booking{}, fmt.Errorf("%s: %w", night, ErrTaken)
		}
	}
	return b, nil
}

// Cancel deletes a booking, and returns its user, or sql.ErrNoRows.
func (d *DB) Cancel(ctx context.Context, booking int64) (user int64, err error) {
	err = d.row(ctx, "DELETE FROM bookings WHERE id = ? RETURNING guest", booking).Scan(&user)
	return user, err
}

// Reviews returns the newest reviews of a listing.
func (d *DB) Reviews(ctx context.Context, listing int64) ([]Review, error) {
	if err := d.begin(ctx, "reviews"); err != nil {
		return nil, err
	}
	found := []Review{}
	err := d.rows(ctx, func(r *sql.Rows) error {
		v := Review{Listing: listing}
		err := r.Scan(&v.ID, &v.User, &v.Stars, &v.Text)
		found = append(found, v)
		return err
	}, "SELECT id, guest, stars, body FROM reviews WHERE listing = ? ORDER BY id DESC LIMIT ?", listing, PageSize)
	return found, err
}

// ReviewStats returns the statistics of all reviews of a listing.
func (d *DB) ReviewStats(ctx context.Context, listing int64) (s ReviewStats, err error) {
	if err := d.begin(ctx, "stats"); err != nil {
		return s, err
	}
	err = d.row(ctx, "SELECT count(*), coalesce(avg(stars), 0) FROM reviews WHERE listing = ?", listing).Scan(&s.Count, &s.Average)
	return s, err
}

// InsertReview returns v with its id.
func (d *DB) InsertReview(ctx context.Context, v Review) (Review, error) {
	err := d.row(ctx, "INSERT INTO reviews (listing, guest, stars, body) VALUES (?, ?, ?, ?) RETURNING id",
		v.Listing, v.User, v.Stars, v.Text).Scan(&v.ID)
	return v, err
}
