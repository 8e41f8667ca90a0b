package databases

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/dbtest"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

var measure = flag.Bool("measure", false, "measure for long enough to be meaningful")

// TestCost measures, on each database with durable commits: transactions a second without and
// with events, in turns, at 1 and 16 writers; rows that a relay applies a second; and the time
// from a commit to the invalidation, by the direct path and by the relay. Without -measure it
// only shows that the measurement works, on SQLite.
func TestCost(t *testing.T) {
	redis := redistest.Start(t, nil)
	span, rounds, rows := 20*time.Millisecond, 1, 200
	if *measure {
		span, rounds, rows = time.Second, 10, 50_000
	}
	measureOn := func(t *testing.T, d database) {
		db := d.fresh(t, 1000)
		db.SetMaxIdleConns(32)
		p := newProcess(t, d, db, redis.URL(), &outbox.Options{Poll: 20 * time.Millisecond})
		for _, writers := range []int{1, 16} {
			d.writers(t, p, writers, span, rounds)
		}
		d.rows(t, p.box, db, rows)
		d.lag(t, db, redis, rounds*20)
	}
	t.Run("SQLite", func(t *testing.T) {
		d := newSQLite(t)
		d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous(FULL)", 1)
		measureOn(t, d)
	})
	if !*measure {
		return
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		measureOn(t, database{outbox.PostgreSQL, "pgx", dbtest.StartPostgreSQL(t, "fsync=on").DSN})
	})
	t.Run("MariaDB", func(t *testing.T) {
		measureOn(t, database{outbox.MySQL, "mysql", dbtest.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=1").DSN + "?interpolateParams=true"})
	})
}

// writers prints the throughput of transactions that change a row: plain; with Record, whose
// rows stay; and with InTx, whose invalidations are part of the time, beside a relay.
func (d database) writers(t *testing.T, p *process, n int, span time.Duration, rounds int) {
	city := func() string { return strconv.FormatUint(rand.Uint64(), 36) }
	ways := []struct {
		name  string
		write func(id int64) error
	}{
		{"plain", func(id int64) error { return d.update(p.db, id, city(), nil) }},
		{"Record", func(id int64) error {
			return d.update(p.db, id, city(), func(tx *sql.Tx) error { return p.box.Record(context.Background(), tx, Moved{id}) })
		}},
		{"InTx", func(id int64) error { return p.move(context.Background(), id, city()) }},
	}
	rates := make(map[string][]float64)
	for round := range rounds {
		for i := range ways {
			way := ways[(i+round)%len(ways)]
			ctx, cancel := context.WithCancel(t.Context())
			var relay sync.WaitGroup
			if way.name == "InTx" {
				relay.Go(func() { p.box.Relay(ctx) })
			}
			rates[way.name] = append(rates[way.name], throughput(t, n, span, way.write))
			cancel()
			relay.Wait()
			run(t, p.db, "DELETE FROM strata_outbox")
		}
	}
	for _, way := range ways {
		var shares []float64
		for i, rate := range rates[way.name] {
			shares = append(shares, 1-rate/rates["plain"][i])
		}
		slices.Sort(shares)
		all := slices.Sorted(slices.Values(rates[way.name]))
		t.Logf("%v, %2d writers, %-6s: %6.0f transactions/s (median; %.0f-%.0f); costs %.0f %% (median)", d.d, n, way.name,
			median(all), all[0], all[len(all)-1], 100*median(shares))
	}
}

// throughput returns how many writes n writers make a second.
func throughput(t *testing.T, n int, span time.Duration, write func(id int64) error) float64 {
	var count atomic.Int64
	var writers sync.WaitGroup
	begin := time.Now()
	for range n {
		writers.Go(func() {
			for first := true; first || time.Since(begin) < span; first = false {
				if err := write(rand.Int64N(1000) + 1); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	writers.Wait()
	return float64(count.Load()) / time.Since(begin).Seconds()
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }

func (d database) update(db *sql.DB, id int64, city string, more func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec(d.q("UPDATE listings SET city = ? WHERE id = ?"), city, id); err != nil {
		return err
	}
	if more != nil {
		if err := more(tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// rows prints how many rows a second one relay applies.
func (d database) rows(t *testing.T, box *outbox.Outbox, db *sql.DB, n int) {
	var events []any
	for id := range n {
		events = append(events, Moved{int64(id)})
	}
	tx, err := db.Begin()
	must(t, err)
	must(t, box.Record(t.Context(), tx, events...))
	must(t, tx.Commit())
	ctx, cancel := context.WithCancel(t.Context())
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { box.Relay(ctx) })
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	took := time.Since(begin)
	cancel()
	wg.Wait()
	t.Logf("%v: a relay applied %d rows in %v: %.0f rows/s", d.d, n, took, float64(n)/took.Seconds())
}

// lag prints how long after the commit the caches have the change: by InTx, and by a relay
// after Record, with a poll of 100 ms, or in SQLite 500 ms.
func (d database) lag(t *testing.T, db *sql.DB, redis *redistest.Server, n int) {
	var direct, relayed []time.Duration
	var committed atomic.Int64
	box, err := openProcess(d, db, redis.URL(), nil, func(b invalidate.Backend) invalidate.Backend {
		return &crashBackend{b, func(point string) error {
			if point == "before invalidation" {
				committed.Store(time.Now().UnixNano())
			}
			return nil
		}}
	})
	must(t, err)
	defer box.backend.Close()
	for i := range n {
		must(t, box.move(t.Context(), int64(i%1000)+1, fmt.Sprint(i)))
		direct = append(direct, time.Duration(time.Now().UnixNano()-committed.Load()))
	}
	poll := 100 * time.Millisecond
	if d.d == outbox.SQLite { // which does not wait for it
		poll = 500 * time.Millisecond
	}
	relay, r := newBox(t, d, db, &outbox.Options{Poll: poll})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { relay.Relay(ctx) })
	for i := range n {
		id := int64(1_000_000 + i)
		must(t, relay.Record(t.Context(), db, Moved{id}))
		begin := time.Now()
		for text := fmt.Sprint(id); r.count(text) == 0; {
			time.Sleep(time.Millisecond)
		}
		relayed = append(relayed, time.Since(begin))
		time.Sleep(time.Duration(rand.Int64N(int64(poll))))
	}
	cancel()
	wg.Wait()
	slices.Sort(direct)
	slices.Sort(relayed)
	t.Logf("%v: lag of the direct path: p50 %v, p99 %v; of the relay, poll %v: p50 %v, p99 %v (%d samples each)", d.d,
		direct[n/2], direct[n*99/100], poll, relayed[n/2], relayed[n*99/100], n)
}
