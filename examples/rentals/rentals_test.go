package rentals

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/stratatest"
)

// A memory is a Database that counts queries.
type memory struct {
	mu       sync.Mutex
	listings map[int64]Listing
	users    map[int64]User
	reviews  map[int64][]Review
	guests   map[Night]int64
	queries  map[string]int
	down     error
}

func newMemory() *memory {
	return &memory{
		listings: map[int64]Listing{1: {1, "Lyon", "Attic", 90}, 2: {2, "Lyon", "Loft", 120}, 3: {3, "Nice", "Cabin", 70}},
		users:    map[int64]User{7: {7, "ada@example.com"}},
		reviews:  make(map[int64][]Review), guests: make(map[Night]int64), queries: make(map[string]int),
	}
}

func (m *memory) query(name string) (unlock func(), err error) {
	m.mu.Lock()
	m.queries[name]++
	return m.mu.Unlock, m.down
}

func (m *memory) Listings(_ context.Context, ids []int64) (map[int64]Listing, error) {
	unlock, err := m.query("Listings")
	defer unlock()
	found := make(map[int64]Listing)
	for _, id := range ids {
		if l, ok := m.listings[id]; ok {
			found[id] = l
		}
	}
	return found, err
}

func (m *memory) ListingsOf(_ context.Context, city string) (ids []int64, err error) {
	unlock, err := m.query("ListingsOf")
	defer unlock()
	for id := range int64(10) {
		if m.listings[id].City == city {
			ids = append(ids, id)
		}
	}
	return ids, err
}

func (m *memory) SaveListing(_ context.Context, l Listing) error {
	unlock, err := m.query("SaveListing")
	defer unlock()
	m.listings[l.ID] = l
	return err
}

func (m *memory) User(_ context.Context, id int64) (User, error) {
	unlock, err := m.query("User")
	defer unlock()
	return m.users[id], err
}

func (m *memory) UserOf(_ context.Context, email string) (int64, error) {
	unlock, err := m.query("UserOf")
	defer unlock()
	for id, u := range m.users {
		if u.Email == email {
			return id, err
		}
	}
	return 0, sql.ErrNoRows
}

func (m *memory) Reviews(_ context.Context, listing int64) ([]Review, error) {
	unlock, err := m.query("Reviews")
	defer unlock()
	return m.reviews[listing], err
}

func (m *memory) AddReview(_ context.Context, listing int64, r Review) error {
	unlock, err := m.query("AddReview")
	defer unlock()
	m.reviews[listing] = append(m.reviews[listing], r)
	return err
}

func (m *memory) Guest(_ context.Context, n Night) (int64, error) {
	unlock, err := m.query("Guest")
	defer unlock()
	if user, ok := m.guests[n]; ok || err != nil {
		return user, err
	}
	return 0, sql.ErrNoRows
}

func (m *memory) Book(_ context.Context, n Night, user int64) error {
	unlock, err := m.query("Book")
	defer unlock()
	if m.guests[n] != 0 {
		return ErrTaken
	}
	m.guests[n] = user
	return err
}

func (m *memory) Amenities(context.Context) (map[string]string, error) {
	unlock, err := m.query("Amenities")
	defer unlock()
	return map[string]string{"wifi": "Wi-Fi"}, err
}

var config = strata.Config{NotFound: []error{sql.ErrNoRows}}

// inTwoProcesses runs f with the service in two processes: over an L2 in memory, and over Redis.
func inTwoProcesses(t *testing.T, f func(t *testing.T, a, b *Rentals, db *memory)) {
	run := func(t *testing.T, backends ...*strata.Backend) {
		db := newMemory()
		a, aerr := New(backends[0], db)
		b, berr := New(backends[1], db)
		if err := errors.Join(aerr, berr); err != nil {
			t.Fatal(err)
		}
		f(t, a, b, db)
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fleet := stratatest.Fleet(t, 2, &config)
			run(t, fleet[0].Backend, fleet[1].Backend)
		})
	})
	t.Run("Redis", func(t *testing.T) {
		c := config
		c.RedisURL = redistest.Start(t, nil).URL()
		run(t, stratatest.New(t, &c), stratatest.New(t, &c))
	})
}

func TestRentals_listings(t *testing.T) {
	inTwoProcesses(t, func(t *testing.T, a, b *Rentals, db *memory) {
		ctx := t.Context()
		titles := func(r *Rentals, city, want string) {
			t.Helper()
			ls, err := r.InCity(ctx, city)
			got := make([]string, len(ls))
			for i, l := range ls {
				got[i] = l.Title
			}
			if strings.Join(got, " ") != want || err != nil {
				t.Errorf("in %s: %v, %v; want %s", city, got, err, want)
			}
		}
		titles(a, "Lyon", "Attic Loft")
		titles(b, "Lyon", "Attic Loft")
		if db.queries["Listings"] != 1 || db.queries["ListingsOf"] != 1 {
			t.Errorf("the queries are %v", db.queries)
		}
		old, views, err := a.Listing(ctx, 1)
		if views != 1 || err != nil {
			t.Errorf("%d views, %v", views, err)
		}
		moved := old
		moved.City = "Nice"
		if err := b.SaveListing(ctx, old, moved); err != nil {
			t.Fatal(err)
		}
		titles(b, "Lyon", "Loft")
		if _, views, err := b.Listing(ctx, 1); views != 2 || err != nil {
			t.Errorf("%d views in both processes, %v", views, err)
		}
		if _, _, err := a.Listing(ctx, 99); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a listing that does not exist: %v", err)
		}
	})
}

func TestRentals_users(t *testing.T) {
	inTwoProcesses(t, func(t *testing.T, a, b *Rentals, db *memory) {
		for _, r := range []*Rentals{a, b, a} {
			if u, err := r.UserOf(t.Context(), "ada@example.com"); u.ID != 7 || err != nil {
				t.Errorf("%+v, %v", u, err)
			}
		}
		if _, err := a.UserOf(t.Context(), "bob@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		if db.queries["UserOf"] != 2 || db.queries["User"] != 1 {
			t.Errorf("the queries are %v", db.queries)
		}
	})
}

func TestRentals_reviews(t *testing.T) {
	inTwoProcesses(t, func(t *testing.T, a, b *Rentals, db *memory) {
		if rs, err := a.Reviews(t.Context(), 1); len(rs) != 0 || err != nil {
			t.Errorf("%v, %v", rs, err)
		}
		if err := a.Review(t.Context(), 1, Review{5, "quiet"}); err != nil {
			t.Fatal(err)
		}
		if rs, err := b.Reviews(t.Context(), 1); len(rs) != 1 || err != nil {
			t.Errorf("%v, %v", rs, err)
		}
	})
}

// Of many users at the same time, one books the night.
func TestRentals_bookings(t *testing.T) {
	inTwoProcesses(t, func(t *testing.T, a, b *Rentals, db *memory) {
		night := Night{1, "2026-12-24"}
		var booked, taken int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for user := range int64(10) {
			r := []*Rentals{a, b}[user%2]
			wg.Go(func() {
				err := r.Book(t.Context(), night, user+1)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					booked++
				case errors.Is(err, ErrTaken):
					taken++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if booked != 1 || taken != 9 || len(db.guests) != 1 {
			t.Errorf("%d booked, %d found it taken, %v", booked, taken, db.queries)
		}
	})
}

func TestRentals_limit(t *testing.T) {
	inTwoProcesses(t, func(t *testing.T, a, _ *Rentals, _ *memory) {
		h := a.Limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		codes := make(map[int]int)
		for range 150 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
			codes[w.Code]++
		}
		if codes[http.StatusTooManyRequests] == 0 || codes[http.StatusOK] < 100 {
			t.Errorf("the answers are %v", codes)
		}
	})
}

// Amenities are in memory, and loaded again every minute; listings survive the database.
func TestRentals_time(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newMemory()
		r, err := New(stratatest.New(t, &config), db)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if all, err := r.Amenities(t.Context()); all["wifi"] != "Wi-Fi" || err != nil {
				t.Errorf("%v, %v", all, err)
			}
			time.Sleep(10 * time.Second)
		}
		db.mu.Lock()
		if n := db.queries["Amenities"]; n < 5 || n > 6 {
			t.Errorf("%d queries in five minutes", n)
		}
		db.mu.Unlock()
		if _, _, err := r.Listing(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		db.mu.Lock()
		db.down = fmt.Errorf("down")
		db.mu.Unlock()
		time.Sleep(5 * time.Hour)
		if l, _, err := r.Listing(t.Context(), 1); l.Title != "Attic" || err != nil {
			t.Errorf("while the database is down: %+v, %v", l, err)
		}
	})
}

// TestRentals_plain: the service needs no lower layer.
func TestRentals_plain(t *testing.T) {
	code, err := os.ReadFile("rentals.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{".Tiers()", "reflect", "rueidis", "redisstore", "layered"} {
		if strings.Contains(string(code), word) {
			t.Errorf("rentals.go uses %s", word)
		}
	}
	if n := strings.Count(string(code), "\n"); n > 200 {
		t.Errorf("rentals.go has %d lines", n)
	}
}

// A rate limit on a process decides in memory, with the share of the process: limits are not
// shared by a Fleet.
func TestRentals_limitOfFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits []*redislimit.Limiter
		for _, p := range stratatest.Fleet(t, 2, nil) {
			l, err := redislimit.On(p, &redislimit.Options{Fleet: 2}, ratelimit.Policy{Name: "two", Algorithm: ratelimit.StrictWindow, Limit: 2, Window: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			limits = append(limits, l)
		}
		for hour := range 2 {
			for i, l := range limits {
				for call, want := range []bool{true, false} {
					if r, err := l.Allow(t.Context(), "k"); r.Allowed != want || r.Source != ratelimit.SourceLocal || err != nil {
						t.Errorf("hour %d, process %d, call %d: %+v, %v", hour, i, call, r, err)
					}
				}
			}
			time.Sleep(time.Hour)
		}
	})
}
