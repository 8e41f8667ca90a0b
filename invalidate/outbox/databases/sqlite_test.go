package databases

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A relay of SQLite applies rows long before the poll, whatever process has recorded them: this
// process, also with a single connection, another one, or a trigger. It does so in each
// journal mode.
func TestSQLite_wakes(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		for _, most := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s, connections %d", mode, most), func(t *testing.T) {
				d := newSQLite(t)
				d.dsn = strings.Replace(d.dsn, "journal_mode(WAL)", "journal_mode("+mode+")", 1)
				db := d.fresh(t, 10)
				db.SetMaxOpenConns(most)
				box, r := newBox(t, d, db, &outbox.Options{Poll: time.Hour})
				writer, _ := newBox(t, d, d.open(t), nil)
				ctx, cancel := context.WithCancel(t.Context())
				var relay sync.WaitGroup
				relay.Go(func() { box.Relay(ctx) })
				defer func() { cancel(); relay.Wait() }()

				must(t, box.Record(t.Context(), db, Moved{1})) // the first poll, or a look
				redistest.WaitFor(t, "the first event", func() bool { return r.count("1") > 0 })
				for id := int64(2); id < 5; id++ {
					tx, err := db.BeginTx(t.Context(), nil)
					must(t, err)
					must(t, box.Record(t.Context(), tx, Moved{id}))
					must(t, tx.Commit())
					redistest.WaitFor(t, "an event of this process", func() bool { return r.count(fmt.Sprint(id)) > 0 })
				}
				must(t, writer.InTx(t.Context(), &sql.TxOptions{}, func(ctx context.Context, tx *outbox.Tx) error {
					return writer.Record(ctx, tx, Moved{5})
				}))
				redistest.WaitFor(t, "an event of other connections", func() bool { return r.count("5") > 0 })
				s, err := outbox.TriggerSQL(d.d, "listings", "id")
				must(t, err)
				run(t, db, strings.Split(s, "\n--\n")...)
				run(t, db, "UPDATE listings SET city = 'new' WHERE id = 6")
				redistest.WaitFor(t, "an event of a trigger", func() bool { return r.count("6") > 0 })
				redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
			})
		}
	}
}

// The same with a relay that is another process.
func TestSQLite_wakes_process(t *testing.T) {
	redis := redistest.Start(t, nil)
	d := newSQLite(t)
	db := d.fresh(t, 2)
	p := newProcess(t, d, db, redis.URL(), nil)
	startChild(t, role{Relay: true, Dialect: d.d, Driver: d.driver, DSN: d.dsn, Redis: redis.URL(), Poll: time.Hour}, func(string) {})
	for id := int64(1); id < 3; id++ {
		p.want(t, t.Context(), id, "old")
		run(t, db, fmt.Sprintf("UPDATE listings SET city = 'new' WHERE id = %d", id))
		must(t, p.box.Record(t.Context(), db, Moved{id}))
		p.sees(t, id, "new")
	}
}

// Rows that the direct path is to apply do not wake the relay, whose rounds would take the
// lock of the writers.
func TestSQLite_wakes_notForGrace(t *testing.T) {
	d := newSQLite(t)
	db := d.fresh(t, 1)
	box, r := newBox(t, d, db, &outbox.Options{Poll: time.Hour, Grace: 10 * time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	var relay sync.WaitGroup
	relay.Go(func() { box.Relay(ctx) })
	for range 3 {
		must(t, box.InTx(t.Context(), nil, func(_ context.Context, tx *outbox.Tx) error { return tx.Record(Moved{1}) }))
	}
	must(t, box.Record(t.Context(), db, Moved{2})) // looks go on
	redistest.WaitFor(t, "the event", func() bool { return r.count("2") > 0 })
	if n := r.count("1"); n != 3 {
		t.Errorf("%d invalidations of 3 transactions", n)
	}
	cancel()
	relay.Wait()
}
