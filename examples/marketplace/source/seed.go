package source

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Cities are the cities of the seeded listings.
var Cities = []string{"Amsterdam", "Berlin", "Lisbon", "London", "Lyon", "Madrid", "Nice", "Oslo", "Paris", "Porto", "Rome", "Vienna"}

var (
	adjectives = []string{"Sunny", "Quiet", "Charming", "Spacious", "Cosy", "Modern", "Rustic", "Bright", "Elegant", "Hidden"}
	kinds      = []string{"loft", "attic", "cabin", "studio", "townhouse", "flat", "cottage", "houseboat", "villa", "room"}
	places     = []string{"by the canal", "near the station", "with a garden", "in the old town", "by the park", "with a view", "above a bakery", "at the market"}
	amenities  = [][2]string{
		{"wifi", "Wi-Fi"}, {"kitchen", "Kitchen"}, {"washer", "Washing machine"}, {"dryer", "Dryer"}, {"heating", "Heating"},
		{"ac", "Air conditioning"}, {"desk", "Desk"}, {"tv", "Television"}, {"pool", "Pool"}, {"parking", "Free parking"},
		{"crib", "Crib"}, {"gym", "Gym"}, {"grill", "Barbecue"}, {"fireplace", "Fireplace"}, {"piano", "Piano"}, {"sauna", "Sauna"},
	}
	opinions = []string{"Wonderful stay, we will come again.", "Clean and quiet.", "The beds are soft.", "A long walk to the station.", "Exactly as described."}
)

// hotness is the exponent of the Zipf distribution of reviews over listings.
const hotness = 1.1

// Seed fills an empty database with as many listings, and with users, bookings and reviews, in one
// transaction. It does nothing if there are listings. progress is called with the rows inserted so
// far. Ids begin at 1, and listings with low ids have the most reviews.
func (d *DB) Seed(ctx context.Context, listings int, progress func(done, total int)) error {
	var n int
	if err := d.sql.QueryRowContext(ctx, "SELECT count(*) FROM listings").Scan(&n); err != nil || n > 0 {
		return err
	}
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	s := &seeder{db: d, tx: tx, random: rand.New(rand.NewPCG(1, 2)), progress: progress}
	if err := s.all(ctx, listings); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("seed the database: %w", err)
	}
	return tx.Commit()
}

type seeder struct {
	db          *DB
	tx          *sql.Tx
	random      *rand.Rand
	progress    func(done, total int)
	done, total int
}

func (s *seeder) all(ctx context.Context, listings int) error {
	users, bookings, reviews := listings/10+10, listings/5, 2*listings
	s.total = len(amenities) + users + listings + 3*bookings + reviews
	popular := rand.NewZipf(s.random, hotness, 10, uint64(listings-1))
	user := func() int { return s.random.IntN(users) + 1 }
	first := func(booking int) time.Time { // no two bookings have the same nights
		return time.Date(2030, 1, 1+booking%90*2, 0, 0, 0, 0, time.UTC)
	}
	for _, t := range []struct {
		table, columns string
		n              int
		row            func(i int) []any
	}{
		{"amenities", "code, name", len(amenities), func(i int) []any { return []any{amenities[i][0], amenities[i][1]} }},
		{"users", "name, email", users, func(i int) []any {
			return []any{fmt.Sprintf("User %d", i+1), fmt.Sprintf("user%d@example.com", i+1)}
		}},
		{"listings", "host, city, title, description, price, amenities", listings, func(i int) []any {
			return []any{user(), s.one(Cities), s.title(), s.description(), 30 + s.random.IntN(300), s.codes()}
		}},
		{"bookings", "listing, guest, first_night, nights", bookings, func(i int) []any {
			return []any{i%listings + 1, user(), first(i).Format(time.DateOnly), 2}
		}},
		{"nights", "listing, night, booking", 2 * bookings, func(i int) []any {
			return []any{i/2%listings + 1, first(i/2).AddDate(0, 0, i%2).Format(time.DateOnly), i/2 + 1}
		}},
		{"reviews", "listing, guest, stars, body", reviews, func(int) []any {
			return []any{int(popular.Uint64()) + 1, user(), 1 + s.random.IntN(5), s.one(opinions)}
		}},
	} {
		if err := s.insert(ctx, t.table, t.columns, t.n, t.row); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	return nil
}

// insert inserts n rows, up to 100 with each execution of a prepared statement.
func (s *seeder) insert(ctx context.Context, table, columns string, n int, row func(i int) []any) error {
	const batch = 100
	one := "(?" + strings.Repeat(", ?", strings.Count(columns, ",")) + ")"
	var stmt *sql.Stmt
	prepared := 0 // the number of rows of stmt
	defer func() {
		if stmt != nil {
			_ = stmt.Close()
		}
	}()
	for from := 0; from < n; from += batch {
		size := min(batch, n-from)
		if size != prepared {
			if stmt != nil {
				_ = stmt.Close()
			}
			var err error
			query := "INSERT INTO " + table + " (" + columns + ") VALUES " + one + strings.Repeat(", "+one, size-1)
			if stmt, err = s.tx.PrepareContext(ctx, s.db.bind(query)); err != nil {
				return err
			}
			prepared = size
		}
		var args []any
		for i := range size {
			args = append(args, row(from+i)...)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		s.done += size
		s.progress(s.done, s.total)
	}
	return nil
}

func (s *seeder) one(of []string) string { return of[s.random.IntN(len(of))] }

func (s *seeder) title() string {
	return s.one(adjectives) + " " + s.one(kinds) + " " + s.one(places)
}

func (s *seeder) description() string {
	return fmt.Sprintf("A %s %s %s. It sleeps %d, and breakfast is %s. The host lives nearby and helps with bags, bicycles and tickets. Check-in from %d:00.",
		strings.ToLower(s.one(adjectives)), s.one(kinds), s.one(places), 1+s.random.IntN(6), s.one([]string{"included", "next door", "up to you"}), 14+s.random.IntN(4))
}

func (s *seeder) codes() string {
	var codes []string
	for _, a := range amenities {
		if s.random.IntN(3) == 0 {
			codes = append(codes, a[0])
		}
	}
	return strings.Join(codes, " ")
}
