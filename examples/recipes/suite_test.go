package recipes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/recipes"
	"github.com/lokroom/strata/examples/recipes/entdb/ent"
	"github.com/lokroom/strata/examples/recipes/sqlcpgx/db"
	"github.com/lokroom/strata/internal/dbtest"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

func sqlcPrice(l db.Listing) int64  { return l.Price }
func sqlcGuest(b db.Booking) string { return on(b.Guest, b.Night.Time) }

// TestRecipes: each recipe caches rows and absence, shows its own writes and those of other
// processes, and loses no invalidation of a booking.
func TestRecipes(t *testing.T) {
	server, redis := dbtest.StartPostgreSQL(t).DSN, redistest.Start(t, nil)
	main := openSQL(t, server)
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			database := "shop_" + strings.Map(func(r rune) rune {
				if r < 'a' || r > 'z' {
					return '_'
				}
				return r
			}, name)
			_, err := main.ExecContext(t.Context(), "CREATE DATABASE "+database)
			check(t, err)
			s := &suite{recipe: r, url: strings.Replace(server, "/postgres?", "/"+database+"?", 1), redis: redis.URL()}
			s.missing.Prefix = database + ":"
			s.db = openSQL(t, s.url)
			s.exec(t, recipes.Schema)
			s.exec(t, "INSERT INTO listings (id, title, price) VALUES (1, 'Loft', 100)")
			t.Run("rows", s.testRows)
			t.Run("bookings", s.testBookings)
			t.Run("outbox", s.testOutbox)
		})
	}
}

// TestEnt_entities: a cache with Redis refuses what ent returns, rather than to lose its client.
func TestEnt_entities(t *testing.T) {
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: redistest.Start(t, nil).URL()})
	check(t, err)
	defer b.Close()
	if _, err := strata.New[int64, *ent.Listing](b, "listing", nil, nil); err == nil || !strings.Contains(err.Error(), "unexported") {
		t.Errorf("New returned %v", err)
	}
}

// testRows: rows and absence are cached, and a write is seen at once, also by other processes.
func (s *suite) testRows(t *testing.T) {
	a, b := s.process(t, s.redis), s.process(t, s.redis)
	wantPrice(t, a, 1, 100)
	wantPrice(t, b, 1, 100)
	if _, err := a.price(t.Context(), 2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a row that does not exist: %v", err)
	}
	s.exec(t, "UPDATE listings SET price = 1; INSERT INTO listings (id, title, price) VALUES (2, 'Boat', 1)")
	wantPrice(t, a, 1, 100) // from the cache
	if _, err := a.price(t.Context(), 2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("absence is not cached: %v", err)
	}
	check(t, a.SetPrice(t.Context(), 1, 120))
	wantPrice(t, a, 1, 120)
	redistest.WaitFor(t, "the other process to see the write", func() bool {
		got, err := b.price(t.Context(), 1)
		return err == nil && got == 120
	})
}

// testBookings: a booking is seen at once, and one that is refused changes nothing.
func (s *suite) testBookings(t *testing.T) {
	a, b := s.process(t, s.redis), s.process(t, s.redis)
	wantGuests(t, a, "")
	wantGuests(t, b, "")
	check(t, book(t, a, 1, "Ann"))
	wantGuests(t, a, "Ann on 2031-12-24 ")
	redistest.WaitFor(t, "the other process to see the booking", func() bool {
		got, err := b.guests(t.Context(), 1)
		return err == nil && got == "Ann on 2031-12-24 "
	})
	events := s.count(t, "strata_outbox")
	wantTaken(t, b)
	if err := book(t, b, 99, "Bob"); err == nil || errors.Is(err, recipes.ErrTaken) {
		t.Errorf("a booking of a listing that does not exist: %v", err)
	}
	if got := s.count(t, "strata_outbox"); got != events {
		t.Errorf("a booking that was refused has left %d events", got-events)
	}
	wantGuests(t, b, "Ann on 2031-12-24 ")
}

// testOutbox: the event is committed with the booking, so that the relay of a process applies
// what the process that has booked could not announce to it. They share no Redis.
func (s *suite) testOutbox(t *testing.T) {
	s.exec(t, "DELETE FROM strata_outbox; DELETE FROM bookings")
	a, b := s.process(t, ""), s.process(t, "")
	wantGuests(t, b, "")
	s.exec(t, "ALTER TABLE strata_outbox RENAME TO gone")
	if err := book(t, a, 1, "Ann"); err == nil || s.count(t, "bookings") > 0 {
		t.Errorf("a booking whose event cannot be recorded: %v", err)
	}
	s.exec(t, "ALTER TABLE gone RENAME TO strata_outbox")
	check(t, book(t, a, 1, "Ann"))
	if got := s.count(t, "strata_outbox"); got != 1 {
		t.Errorf("the booking has left %d events in the outbox", got)
	}
	wantGuests(t, b, "") // nothing has reached it
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Relay(ctx) }()
	redistest.WaitFor(t, "the relay to invalidate", func() bool {
		got, err := b.guests(t.Context(), 1)
		return err == nil && got == "Ann on 2031-12-24 " && s.count(t, "strata_outbox") == 0
	})
	wantTaken(t, a)
	stop()
	select {
	case err := <-ended:
		check(t, err)
	case <-time.After(10 * time.Second):
		t.Error("the relay does not end")
	}
}
