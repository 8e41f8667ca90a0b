package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	_ "modernc.org/sqlite"
)

// A database is one to connect to.
type database struct {
	d           outbox.Dialect
	driver, dsn string
}

// onEach runs f on each database.
func onEach(t *testing.T, f func(t *testing.T, d database)) {
	t.Run("PostgreSQL", func(t *testing.T) {
		f(t, database{outbox.PostgreSQL, "pgx", postgreSQL().DSN})
	})
	t.Run("SQLite", func(t *testing.T) { f(t, newSQLite(t)) })
	t.Run("MariaDB", func(t *testing.T) {
		f(t, database{outbox.MySQL, "mysql", mariaDB().DSN})
	})
}

func newSQLite(t testing.TB) database {
	return database{outbox.SQLite, "sqlite", "file:" + filepath.Join(t.TempDir(), "db") +
		"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"}
}

func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

// q returns a statement with the parameters of the dialect in place of question marks.
func (d database) q(statement string) string {
	if d.d != outbox.PostgreSQL {
		return statement
	}
	var b strings.Builder
	n := 0
	for _, c := range statement {
		if c == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if strings.TrimSpace(s) == "" {
			continue
		}
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// fresh empties the database but for the listings 1 to n, of the city "old".
func (d database) fresh(t testing.TB, n int) *sql.DB {
	t.Helper()
	db := d.open(t)
	run(t, db, "DROP TABLE IF EXISTS photos", "DROP TABLE IF EXISTS listings", "DROP TABLE IF EXISTS strata_outbox", "DROP TABLE IF EXISTS strata_outbox_stuck")
	run(t, db, strings.Split(outbox.Schema(d.d), ";\n")...)
	run(t, db, "CREATE TABLE listings (id bigint PRIMARY KEY, city varchar(100) NOT NULL, version bigint NOT NULL DEFAULT 0)")
	for from := 1; from <= n; from += 100 {
		var b strings.Builder
		for id := from; id <= min(from+99, n); id++ {
			fmt.Fprintf(&b, ", (%d, 'old')", id)
		}
		run(t, db, "INSERT INTO listings (id, city) VALUES "+b.String()[2:])
	}
	return db
}

func (d database) count(t testing.TB, db *sql.DB, table string) (n int) {
	t.Helper()
	must(t, db.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// Moved is the event of the tests.
type Moved struct{ ID int64 }

type Bad struct{ Panics bool }

var (
	registry keys.Registry
	listing  = keys.Define1[int64](&registry, "listing", keys.Class{TTL: time.Hour}, nil)
	other    = keys.Define1[int64](&registry, "other", keys.Class{TTL: time.Hour}, nil)
)

func newRules() *invalidate.Rules {
	r := invalidate.NewRules()
	invalidate.On(r, func(e Moved) invalidate.Targets { return invalidate.Targets{invalidate.IDs(listing, e.ID)} }, listing)
	invalidate.On(r, func(e Bad) invalidate.Targets {
		if e.Panics {
			panic("bad")
		}
		return invalidate.Targets{{Cache: "there is no such cache", Texts: []string{"1"}}}
	}, other)
	type row struct{ ID int64 }
	invalidate.OnRow(r, "listings", func(c invalidate.RowChange[row]) (ts invalidate.Targets) {
		for _, row := range []*row{c.Old, c.New} {
			if row != nil {
				ts = append(ts, invalidate.IDs(listing, row.ID))
			}
		}
		if c.Truncated {
			ts = append(ts, invalidate.All(listing))
		}
		return ts
	}, listing)
	return r
}

// A process is what one process of a service has.
type process struct {
	db      *sql.DB
	d       database
	backend *strata.Backend
	cache   *strata.Cache[int64, string]
	other   *strata.Cache[int64, string]
	bus     *invalidate.Bus
	box     *outbox.Outbox
}

func newProcess(t testing.TB, d database, db *sql.DB, redisURL string, o *outbox.Options) *process {
	t.Helper()
	p, err := openProcess(d, db, redisURL, o, nil)
	must(t, err)
	t.Cleanup(func() { p.backend.Close() })
	return p
}

// openProcess returns a process. wrap may replace the backend of the bus.
func openProcess(d database, db *sql.DB, redisURL string, o *outbox.Options, wrap func(invalidate.Backend) invalidate.Backend) (*process, error) {
	b, err := strata.Open(context.Background(), &strata.Config{RedisURL: redisURL, RedisOptional: true})
	if err != nil {
		return nil, err
	}
	p := &process{db: db, d: d, backend: b}
	if p.cache, err = strata.NewDefined(b, listing, p.city, nil); err != nil {
		return nil, err
	}
	if p.other, err = strata.NewDefined(b, other, p.city, nil); err != nil {
		return nil, err
	}
	var to invalidate.Backend = b
	if wrap != nil {
		to = wrap(b)
	}
	if p.bus, err = invalidate.NewBus(newRules(), to, nil); err != nil {
		return nil, err
	}
	p.box, err = outbox.New(db, d.d, p.bus, o)
	return p, err
}

// city loads the city of a listing, in the transaction of ctx if there is one.
func (p *process) city(ctx context.Context, id int64) (city string, err error) {
	query := p.d.q("SELECT city FROM listings WHERE id = ?")
	if tx := outbox.TxFrom(ctx); tx != nil {
		err = tx.QueryRowContext(ctx, query, id).Scan(&city)
	} else {
		err = p.db.QueryRowContext(ctx, query, id).Scan(&city)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("listing %d: %w", id, store.ErrNotFound)
	}
	return city, err
}

// move changes the city of a listing.
func (p *process) move(ctx context.Context, id int64, city string) error {
	return p.box.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
		if _, err := tx.ExecContext(ctx, p.d.q("UPDATE listings SET city = ? WHERE id = ?"), city, id); err != nil {
			return err
		}
		return tx.Record(Moved{id})
	})
}

// relay runs the relay until the end of the test.
func (p *process) relay(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.box.Relay(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// sees waits until the cache of p has the city of id.
func (p *process) sees(t testing.TB, id int64, city string) {
	t.Helper()
	redistest.WaitFor(t, "the new value", func() bool {
		got, err := p.cache.Get(context.Background(), id)
		return err == nil && got == city
	})
}

func (p *process) want(t testing.TB, ctx context.Context, id int64, city string) {
	t.Helper()
	if got, err := p.cache.Get(ctx, id); got != city || err != nil {
		t.Errorf("listing %d is in %q, %v; want %q", id, got, err, city)
	}
}

// A recorder is a backend that counts how often each text was invalidated.
type recorder struct {
	mu    sync.Mutex
	texts map[string]int
	err   error
}

func (r *recorder) DeleteTexts(_ context.Context, _ store.Hold, texts map[string][]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.texts == nil {
		r.texts = make(map[string]int)
	}
	for _, text := range texts["listing"] {
		r.texts[text]++
	}
	return r.err
}
func (r *recorder) ClearCaches(context.Context, ...string) error    { return r.err }
func (r *recorder) InvalidateTags(context.Context, ...string) error { return r.err }

func (r *recorder) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.texts[text]
}

// newBox returns an outbox of a recorder.
func newBox(t testing.TB, d database, db *sql.DB, o *outbox.Options) (*outbox.Outbox, *recorder) {
	t.Helper()
	r := new(recorder)
	bus, err := invalidate.NewBus(newRules(), r, nil)
	must(t, err)
	box, err := outbox.New(db, d.d, bus, o)
	must(t, err)
	return box, r
}
