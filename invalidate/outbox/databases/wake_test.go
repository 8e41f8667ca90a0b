package databases

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate/outbox"
)

// Wake makes a relay look for rows at once. With Notify it notifies when a batch is full.
func testWake(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	wake := make(chan struct{})
	o := outbox.Options{Poll: time.Hour, Wake: wake, Batch: 2, Notify: d.d == outbox.PostgreSQL}
	box, r := newBox(t, d, db, &o)
	notified := make(chan error, 1)
	if o.Notify {
		conn, err := db.Conn(t.Context())
		must(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), "LISTEN strata_outbox")
		must(t, err)
		go func() {
			notified <- conn.Raw(func(c any) error {
				_, err := c.(*stdlib.Conn).Conn().WaitForNotification(t.Context())
				return err
			})
		}()
	}
	ctx, cancel := context.WithCancel(t.Context())
	var relay sync.WaitGroup
	relay.Go(func() { box.Relay(ctx) })
	wake <- struct{}{} // it has begun, or will
	wake <- struct{}{} // the first round is over
	must(t, box.Record(t.Context(), db, Moved{1}))
	wake <- struct{}{}
	redistest.WaitFor(t, "the event", func() bool { return r.count("1") > 0 })
	must(t, box.Record(t.Context(), db, Moved{2}, Moved{3}))
	wake <- struct{}{}
	redistest.WaitFor(t, "the events", func() bool { return r.count("2") > 0 && r.count("3") > 0 })
	if o.Notify {
		must(t, <-notified)
	}
	close(wake) // no longer wakes
	cancel()
	relay.Wait()
}

// Cascaded deletes fire triggers, but not in MariaDB.
func testCascades(t *testing.T, d database, _ *redistest.Server) {
	if d.d == outbox.SQLite {
		d.dsn += "&_pragma=foreign_keys(1)"
	}
	db := d.fresh(t, 1)
	run(t, db, "CREATE TABLE photos (id bigint PRIMARY KEY, listing bigint NOT NULL, FOREIGN KEY (listing) REFERENCES listings (id) ON DELETE CASCADE)")
	s, err := outbox.TriggerSQL(d.d, "photos", "id", "listing")
	must(t, err)
	run(t, db, strings.Split(s, "\n--\n")...)
	run(t, db, "INSERT INTO photos (id, listing) VALUES (7, 1)", "DELETE FROM strata_outbox", "DELETE FROM listings")
	if n := d.count(t, db, "photos"); n != 0 {
		t.Fatalf("%d photos", n)
	}
	want := 1
	if d.d == outbox.MySQL {
		want = 0
	}
	if n := d.count(t, db, "strata_outbox"); n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}
