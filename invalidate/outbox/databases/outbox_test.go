package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

var quick = outbox.Options{Poll: 20 * time.Millisecond, Grace: 10 * time.Minute, Logger: slog.New(slog.DiscardHandler)}

func TestDatabases(t *testing.T) {
	redis := redistest.Start(t, nil)
	onEach(t, func(t *testing.T, d database) {
		for name, f := range map[string]func(t *testing.T, d database, redis *redistest.Server){
			"schema": testSchema, "direct": testDirect, "rollback": testRollback, "relay": testRelay, "bypass": testBypass,
			"two relays": testTwoRelays, "stuck": testStuck, "redis away": testRedisAway, "commit unknown": testCommitUnknown,
			"triggers": testTriggers, "concurrent writers": testWriters, "relay that died": testDeadRelay, "misuse": testMisuse,
			"wake": testWake, "cascades": testCascades,
		} {
			t.Run(name, func(t *testing.T) { f(t, d, redis) })
		}
	})
}

// Schema can be applied twice, and has what operators need.
func testSchema(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	run(t, db, strings.Split(outbox.Schema(d.d), ";\n")...)
	if d.d == outbox.PostgreSQL && !strings.Contains(outbox.Schema(d.d), "autovacuum_vacuum_threshold") {
		t.Error("no settings of autovacuum")
	}
}

// InTx invalidates in every process, and the row is deleted without being applied again.
func testDirect(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 3)
	a, b := newProcess(t, d, db, redis.URL(), &quick), newProcess(t, d, db, redis.URL(), nil)
	must(t, a.backend.ClearCaches(t.Context()))
	a.want(t, t.Context(), 1, "old")
	b.want(t, t.Context(), 1, "old")
	must(t, a.move(t.Context(), 1, "new"))
	a.want(t, t.Context(), 1, "new")
	b.sees(t, 1, "new")
	s, err := a.box.Stats(t.Context())
	if err != nil || s.Rows != 1 || s.Direct != 1 || s.DirectFailed != 0 || s.Oldest < 0 || s.Oldest > time.Minute {
		t.Errorf("stats %+v, %v", s, err)
	}
	a.relay(t)
	redistest.WaitFor(t, "the row to be deleted", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	if s, err := a.box.Stats(t.Context()); s.Relayed != 0 || err != nil {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// A transaction that is rolled back records and invalidates nothing.
func testRollback(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	box, r := newBox(t, d, db, &quick)
	failed := errors.New("failed")
	err := box.InTx(t.Context(), nil, func(ctx context.Context, tx *outbox.Tx) error {
		if err := tx.Record(Moved{1}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	func() {
		defer func() {
			if recover() != "panicked" {
				t.Error("the panic is lost")
			}
		}()
		box.InTx(t.Context(), nil, func(ctx context.Context, tx *outbox.Tx) error {
			if err := tx.Record(Moved{1}); err != nil {
				return err
			}
			panic("panicked")
		})
	}()
	if n := d.count(t, db, "strata_outbox"); n != 0 || r.count("1") != 0 {
		t.Errorf("%d rows, %d invalidations", n, r.count("1"))
	}
	run(t, db, "UPDATE listings SET city = 'free' WHERE id = 1") // no transaction is left open
}

// What Record has recorded in a transaction of the caller is applied by a relay, after the
// commit, once for equal events.
func testRelay(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 2)
	a, b := newProcess(t, d, db, redis.URL(), nil), newProcess(t, d, db, redis.URL(), &quick)
	must(t, a.backend.ClearCaches(t.Context()))
	a.want(t, t.Context(), 1, "old")
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	if _, err := tx.Exec("UPDATE listings SET city = 'new' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	must(t, a.box.Record(t.Context(), tx, Moved{1}, Moved{1}, Moved{2}))
	must(t, a.box.Record(t.Context(), tx))
	must(t, tx.Commit())
	redistest.WaitFor(t, "the rows to have an age, which counts in milliseconds", func() bool {
		s, err := b.box.Stats(t.Context())
		return err == nil && s.Oldest > 0
	})
	b.relay(t)
	a.sees(t, 1, "new")
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	s, err := b.box.Stats(t.Context())
	if err != nil || s.Relayed != 2 || s.Lag <= 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// Reads within InTx see its own writes, and others do not.
func testBypass(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 1)
	p := newProcess(t, d, db, redis.URL(), &quick)
	must(t, p.backend.ClearCaches(t.Context()))
	p.want(t, t.Context(), 1, "old")
	err := p.box.InTx(t.Context(), nil, func(ctx context.Context, tx *outbox.Tx) error {
		p.want(t, ctx, 1, "old")
		if _, err := tx.ExecContext(ctx, "UPDATE listings SET city = 'new' WHERE id = 1"); err != nil {
			return err
		}
		p.want(t, ctx, 1, "new")
		p.want(t, t.Context(), 1, "old")
		return tx.Record(Moved{1})
	})
	must(t, err)
	p.want(t, t.Context(), 1, "new")
}

// Two relays apply every row at least once, and lose none.
func testTwoRelays(t *testing.T, d database, _ *redistest.Server) {
	const n = 2000
	db := d.fresh(t, 1)
	o := quick
	o.Batch = 50
	one, first := newBox(t, d, db, &o)
	two, second := newBox(t, d, db, &o)
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	var events []any
	for id := range n {
		events = append(events, Moved{int64(id)})
	}
	must(t, one.Record(t.Context(), tx, events...))
	must(t, tx.Commit())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { one.Relay(ctx) })
	wg.Go(func() { two.Relay(ctx) })
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	cancel()
	wg.Wait()
	total := 0
	for id := range n {
		text := fmt.Sprint(id)
		times := first.count(text) + second.count(text)
		if total += times; times == 0 {
			t.Errorf("event %d was lost", id)
		}
	}
	t.Logf("%d events, applied %d times", n, total)
}

// Triggers record what writers outside of the program change, as far as the database fires
// them.
func testTriggers(t *testing.T, d database, redis *redistest.Server) {
	db := d.fresh(t, 5)
	p := newProcess(t, d, db, redis.URL(), &quick)
	for range 2 { // they replace each other
		s, err := outbox.TriggerSQL(d.d, "listings", "id", "city")
		must(t, err)
		run(t, db, strings.Split(s, "\n--\n")...)
	}
	must(t, p.backend.ClearCaches(t.Context()))
	for id := range int64(5) {
		p.want(t, t.Context(), id+1, "old")
	}
	p.relay(t)
	run(t, db, "UPDATE listings SET city = 'it''s \"new\"' WHERE id IN (1, 2)")
	p.sees(t, 1, `it's "new"`)
	p.sees(t, 2, `it's "new"`)
	run(t, db, "UPDATE listings SET id = 30, city = 'x' WHERE id = 3", "INSERT INTO listings (id, city) VALUES (3, 'again')", "DELETE FROM listings WHERE id = 4")
	p.sees(t, 3, "again")
	redistest.WaitFor(t, "a deleted listing", func() bool {
		_, err := p.cache.Get(t.Context(), 4)
		return err != nil
	})
	if d.d == outbox.PostgreSQL {
		run(t, db, "TRUNCATE listings", "INSERT INTO listings (id, city) VALUES (5, 'after')")
		p.sees(t, 5, "after")
	}
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	if n := d.count(t, db, "strata_outbox_stuck"); n != 0 {
		t.Errorf("%d stuck rows", n)
	}
}

// Transactions that read before they write do not fail, in SQLite either.
func testWriters(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	box, r := newBox(t, d, db, &quick)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				err := box.InTx(t.Context(), nil, func(ctx context.Context, tx *outbox.Tx) error {
					var n int
					lock := " FOR UPDATE"
					if d.d == outbox.SQLite {
						lock = ""
					}
					if err := tx.QueryRowContext(ctx, "SELECT version FROM listings WHERE id = 1"+lock).Scan(&n); err != nil {
						return err
					}
					if _, err := tx.ExecContext(ctx, d.q("UPDATE listings SET version = ? WHERE id = 1"), n+1); err != nil {
						return err
					}
					return tx.Record(Moved{1})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n int
	must(t, db.QueryRow("SELECT version FROM listings WHERE id = 1").Scan(&n))
	if n != 40 || r.count("1") != 40 {
		t.Errorf("version %d, %d invalidations", n, r.count("1"))
	}
}

// What cannot work is an error at once.
func testMisuse(t *testing.T, d database, _ *redistest.Server) {
	db := d.fresh(t, 1)
	box, _ := newBox(t, d, db, nil)
	type Unknown struct{}
	err := box.InTx(t.Context(), nil, func(ctx context.Context, tx *outbox.Tx) error {
		if err := tx.Record(Unknown{}); !errors.Is(err, invalidate.ErrNoRule) {
			t.Errorf("Record: %v", err)
		}
		if outbox.TxFrom(ctx) != tx || outbox.TxFrom(t.Context()) != nil {
			t.Error("TxFrom returns another transaction")
		}
		if err := box.InTx(ctx, nil, func(context.Context, *outbox.Tx) error { return nil }); err == nil {
			t.Error("InTx within InTx")
		}
		return nil
	})
	must(t, err)
	if err := box.Record(t.Context(), db, Unknown{}); !errors.Is(err, invalidate.ErrNoRule) {
		t.Errorf("Record: %v", err)
	}
	must(t, box.InTx(t.Context(), &sql.TxOptions{ReadOnly: d.d != outbox.SQLite}, func(ctx context.Context, tx *outbox.Tx) error {
		var n int
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM listings").Scan(&n)
	}))
}
