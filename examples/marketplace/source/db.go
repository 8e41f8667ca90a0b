package source

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/lokroom/strata/invalidate/outbox"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Slow are the delays of a busy remote database: the reads by their names.
var Slow = map[string]time.Duration{
	"listings":  150 * time.Millisecond,
	"search":    150 * time.Millisecond,
	"bookings":  120 * time.Millisecond,
	"reviews":   100 * time.Millisecond,
	"stats":     100 * time.Millisecond,
	"users":     80 * time.Millisecond,
	"amenities": 80 * time.Millisecond,
}

// A DB is the database. Its methods use the transaction of their context, if there is one: see
// outbox.TxFrom. They are safe for concurrent use.
type DB struct {
	sql     *sql.DB
	dialect outbox.Dialect
	delays  map[string]time.Duration

	mu    sync.Mutex
	reads map[string]int64
}

// Open opens the PostgreSQL database at url, or the SQLite database in file if url is empty, and
// creates the tables that do not exist. delays are added to the reads that they name.
func Open(ctx context.Context, url, file string, delays map[string]time.Duration) (*DB, error) {
	d := &DB{dialect: outbox.PostgreSQL, delays: delays, reads: make(map[string]int64)}
	driver, dsn := "pgx", url
	if url == "" {
		d.dialect, driver = outbox.SQLite, "sqlite"
		dsn = "file:" + file + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)"
	}
	var err error
	if d.sql, err = sql.Open(driver, dsn); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d.sql.SetMaxOpenConns(32)
	d.sql.SetMaxIdleConns(32)
	for _, statement := range strings.Split(d.schema()+outbox.Schema(d.dialect), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := d.sql.ExecContext(ctx, statement); err != nil {
			_ = d.sql.Close()
			return nil, fmt.Errorf("create the tables: %w", err)
		}
	}
	return d, nil
}

// Close closes the database.
func (d *DB) Close() error { return d.sql.Close() }

// SQL returns the database for packages that need it, such as an outbox, and its dialect.
func (d *DB) SQL() (*sql.DB, outbox.Dialect) { return d.sql, d.dialect }

// Reads returns how often each read was made since Open.
func (d *DB) Reads() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.reads)
}

type countKey struct{}

// CountReads returns a context for one request, and a counter of the reads made with it.
func CountReads(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, countKey{}, n), n
}

// ReadsOf returns the number of reads made with a context of CountReads.
func ReadsOf(ctx context.Context) int64 {
	if n, ok := ctx.Value(countKey{}).(*atomic.Int64); ok {
		return n.Load()
	}
	return 0
}

// begin counts a read, and waits for its delay.
func (d *DB) begin(ctx context.Context, read string) error {
	d.mu.Lock()
	d.reads[read]++
	d.mu.Unlock()
	if n, ok := ctx.Value(countKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
	if d.delays[read] == 0 {
		return nil
	}
	select {
	case <-time.After(d.delays[read]):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A conn is the database or a transaction.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (d *DB) conn(ctx context.Context) conn {
	if tx := outbox.TxFrom(ctx); tx != nil {
		return tx
	}
	return d.sql
}

func (d *DB) exec(ctx context.Context, query string, args ...any) (affected int64, err error) {
	r, err := d.conn(ctx).ExecContext(ctx, d.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (d *DB) row(ctx context.Context, query string, args ...any) *sql.Row {
	return d.conn(ctx).QueryRowContext(ctx, d.bind(query), args...)
}

// rows calls scan for each row of the result.
func (d *DB) rows(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := d.conn(ctx).QueryContext(ctx, d.bind(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bind returns query with the parameters of the dialect in place of question marks.
func (d *DB) bind(query string) string {
	if d.dialect != outbox.PostgreSQL {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}
