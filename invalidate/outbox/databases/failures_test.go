package databases

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate/outbox"
)

// Rows that cannot be applied do not hold up others. In the end their caches are cleared, and
// they are moved aside.
func testStuck(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 3)
	o := quick
	o.MaxTries = 2
	p := newProcess(t, d, db, redis.URL(), &o)
	must(t, p.backend.ClearCaches(t.Context()))
	for id := range int64(3) {
		p.want(t, t.Context(), id+1, "old")
		if _, err := p.other.Get(t.Context(), id+1); err != nil {
			t.Fatal(err)
		}
	}
	run(t, db, "UPDATE listings SET city = 'new'")
	must(t, p.box.Record(t.Context(), db, Bad{Panics: true}, Bad{}, Moved{1}))
	must(t, p.box.Record(t.Context(), db, Moved{2}))
	run(t, db, "UPDATE strata_outbox SET payload = '{' WHERE payload LIKE '%2%'")
	p.relay(t)
	p.sees(t, 1, "new")
	redistest.WaitFor(t, "stuck rows", func() bool { return d.count(t, db, "strata_outbox_stuck") == 3 })
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	p.sees(t, 3, "new") // the row of listing 2 could not be decoded: all listings were cleared
	if city, err := p.other.Get(t.Context(), 1); city != "new" || err != nil {
		t.Errorf("other: %q, %v", city, err)
	}
	s, err := p.box.Stats(t.Context())
	if err != nil || s.Stuck != 3 || s.SetAside != 3 || s.Failed < 6 || s.Relayed != 1 {
		t.Errorf("stats %+v, %v", s, err)
	}
	var reason string
	must(t, db.QueryRow("SELECT reason FROM strata_outbox_stuck WHERE payload LIKE '%true%'").Scan(&reason))
	if !strings.Contains(reason, "panicked: bad") {
		t.Errorf("reason %q", reason)
	}
}

// While Redis is unreachable, InTx succeeds, and this process does not serve the old value.
// The relay invalidates once Redis is there again.
func testRedisAway(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 1)
	proxy := redistest.StartProxy(t, redis.Addr())
	o := quick
	o.Timeout, o.Grace = 500*time.Millisecond, time.Millisecond
	a, b := newProcess(t, d, db, "redis://"+proxy.Addr(), &o), newProcess(t, d, db, redis.URL(), nil)
	must(t, b.backend.ClearCaches(t.Context()))
	a.want(t, t.Context(), 1, "old")
	b.want(t, t.Context(), 1, "old")
	proxy.Refuse(true)
	proxy.Cut()
	must(t, a.move(t.Context(), 1, "new"))
	a.want(t, t.Context(), 1, "new")
	s, err := a.box.Stats(t.Context())
	if err != nil || s.Rows != 1 || s.Direct != 0 || s.DirectFailed != 1 {
		t.Errorf("stats %+v, %v", s, err)
	}
	a.relay(t)
	redistest.WaitFor(t, "a try of the relay", func() bool { return a.bus.Stats().Failures >= 2 })
	proxy.Refuse(false)
	b.sees(t, 1, "new")
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	if s, err := a.box.Stats(t.Context()); err != nil || s.SetAside != 0 || s.Relayed != 1 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// If the commit returns an error, its outcome may be unknown: InTx invalidates, returns the
// error, and leaves the row to the relay. A context that ends before the commit has an error
// of its own in each driver; then nothing was committed.
func testCommitUnknown(t *testing.T, d database, _ *redistest.Server) {
	d.fresh(t, 1)
	if d.d == outbox.MySQL {
		d.dsn += "?interpolateParams=true" // else Exec prepares, past the points
	}
	lost := errors.New("the reply is lost")
	for _, c := range []struct {
		name, point string
		wait        time.Duration
		rows        int
	}{
		{"context ends before the commit", "record", 0, 0},
		{"context has ended before the commit", "record", 300 * time.Millisecond, 0},
		{"reply is lost", "after commit", 0, 1},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		db, err := openCrashing(d, func(point string) error {
			if point != c.point {
				return nil
			}
			if point == "after commit" {
				return lost
			}
			cancel()
			time.Sleep(c.wait)
			return nil
		})
		must(t, err)
		box, r := newBox(t, d, db, &quick)
		err = box.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error { return tx.Record(Moved{1}) })
		cancel()
		if err == nil || c.rows == 1 && !errors.Is(err, lost) {
			t.Errorf("%s: error %v", c.name, err)
		}
		t.Logf("%s: %v", c.name, err)
		if r.count("1") != 1 {
			t.Errorf("%s: %d invalidations", c.name, r.count("1"))
		}
		plain := d.open(t)
		if n := d.count(t, plain, "strata_outbox"); n != c.rows {
			t.Errorf("%s: %d rows, want %d", c.name, n, c.rows)
		}
		db.Close()
	}
}

// Rows that a relay has claimed and not deleted are applied by another one.
func testDeadRelay(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	o := quick
	o.Timeout = 300 * time.Millisecond
	dead, r := newBox(t, d, db, &o)
	r.err = context.Canceled // as if the process had ended while it applied the batch
	must(t, dead.Record(t.Context(), db, Moved{1}))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { dead.Relay(ctx) })
	redistest.WaitFor(t, "the first relay", func() bool { return r.count("1") > 0 })
	cancel()
	wg.Wait()
	if n := d.count(t, db, "strata_outbox"); n != 1 {
		t.Fatalf("%d rows", n)
	}
	alive, r2 := newBox(t, d, db, &o)
	ctx, cancel = context.WithCancel(t.Context())
	wg.Go(func() { alive.Relay(ctx) })
	redistest.WaitFor(t, "the second relay", func() bool { return r2.count("1") > 0 })
	cancel()
	wg.Wait()
}
