package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/store"
)

// Options configure an [Outbox]. Nil and the zero value select the defaults.
type Options struct {
	// Poll is how often the relay looks for rows. In SQLite it also looks every 10 ms whether
	// a new row is due. 0: 500 ms.
	Poll time.Duration

	// Grace is how long the relay leaves the rows of InTx to the direct path. It must be the
	// same in all processes. 0: 1 second.
	Grace time.Duration

	// Timeout bounds the invalidation after a commit, each query of the relay, and the
	// invalidation of one batch. 0: 5 seconds.
	Timeout time.Duration

	// Batch is the maximum number of rows that the relay applies at once. 0: 500. At most
	// 1,000.
	Batch int

	// MaxTries is how often the relay tries a row that has no rule, cannot be decoded, whose
	// rule panics, or whose targets are refused. Then it clears the caches passed to
	// invalidate.On, or all caches, and moves the row to strata_outbox_stuck. Failures of
	// Redis or of the database do not count. 0: 5.
	MaxTries int

	// Wake makes the relay look for rows at once, in addition to Poll: see Notify. nil: never.
	Wake <-chan struct{}

	// Notify makes the relay send a notification on the channel strata_outbox of PostgreSQL
	// when it has found a full batch, so that other relays help. A driver that can LISTEN
	// sends to Wake. Writers never notify, because NOTIFY in their transactions would
	// serialize the commits. It requires PostgreSQL.
	Notify bool

	// Committed is called after each commit of InTx, before the invalidation. The Committed
	// method of a replica.Reader is meant for it. Its error is logged. nil: nothing is called.
	Committed func(ctx context.Context) error

	// Logger logs failures of the relay. nil: slog.Default.
	Logger *slog.Logger
}

func (o *Options) normalize(d Dialect) error {
	var errs []error
	for name, v := range map[string]time.Duration{"Poll": o.Poll, "Grace": o.Grace, "Timeout": o.Timeout} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("outbox: Options.%s %v is negative", name, v))
		}
	}
	if o.Batch < 0 || o.Batch > 1000 {
		errs = append(errs, fmt.Errorf("outbox: Options.Batch %d is not in 0..1000", o.Batch))
	}
	if o.MaxTries < 0 {
		errs = append(errs, fmt.Errorf("outbox: Options.MaxTries %d is negative", o.MaxTries))
	}
	if o.Notify && d != PostgreSQL {
		errs = append(errs, fmt.Errorf("outbox: Options.Notify requires PostgreSQL, not %v", d))
	}
	o.Poll = or(o.Poll, 500*time.Millisecond)
	o.Grace = or(o.Grace, time.Second)
	o.Timeout = or(o.Timeout, 5*time.Second)
	o.Batch, o.MaxTries = or(o.Batch, 500), or(o.MaxTries, 5)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return errors.Join(errs...)
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// An Outbox records events in transactions of one database, and applies them to caches. All
// methods are safe for concurrent use.
type Outbox struct {
	db      *sql.DB
	dialect Dialect
	bus     *invalidate.Bus
	opts    Options

	mu   sync.Mutex
	done []string // ids of rows that the direct path has applied, to be deleted

	direct, directFailed, applied, failed, aside atomic.Uint64
	lag                                          atomic.Int64
}

// New returns an outbox in db, whose tables must exist: see [Schema]. o may be nil. The
// caller closes db after the relay has returned.
func New(db *sql.DB, d Dialect, bus *invalidate.Bus, o *Options) (*Outbox, error) {
	if db == nil || bus == nil {
		return nil, errors.New("outbox: an outbox needs a database and a bus")
	}
	if int(d) >= len(dialects) {
		return nil, fmt.Errorf("outbox: unknown dialect %v", d)
	}
	box := &Outbox{db: db, dialect: d, bus: bus}
	if o != nil {
		box.opts = *o
	}
	if err := box.opts.normalize(d); err != nil {
		return nil, err
	}
	return box, nil
}

// An Execer is a transaction: a *sql.Tx, a *sql.Conn, or what an ORM has.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Record records events in tx, the transaction that makes the changes. The relay applies
// them after its commit. It takes one statement. Prefer InTx, which also invalidates directly
// after the commit. An event without a rule is an error that wraps invalidate.ErrNoRule.
func (o *Outbox) Record(ctx context.Context, tx Execer, events ...any) error {
	_, err := o.record(ctx, tx, 0, events)
	return err
}

// record inserts a row for each event, and returns their ids.
func (o *Outbox) record(ctx context.Context, tx Execer, wait time.Duration, events []any) (ids []string, err error) {
	args := make([]any, 0, 4*len(events))
	seen := make(map[[2]string]bool, len(events))
	for _, event := range events {
		name, data, err := o.bus.Rules().Encode(event)
		if err != nil {
			return nil, err
		}
		if same := [2]string{name, string(data)}; seen[same] {
			continue
		} else {
			seen[same] = true
		}
		id := rowID()
		ids = append(ids, id)
		args = append(args, id, name, string(data), wait.Milliseconds())
	}
	for from := 0; from < len(ids); from += o.opts.Batch {
		to := min(from+o.opts.Batch, len(ids))
		if _, err := tx.ExecContext(ctx, o.dialect.insert(to-from), args[4*from:4*to]...); err != nil {
			return nil, fmt.Errorf("outbox: record: %w", err)
		}
	}
	return ids, nil
}

// rowID returns an id that begins with the time, so that rows are appended to the index.
func rowID() string {
	var b [16]byte
	rand.Read(b[6:])
	ms := int64(store.Now())
	for i := 5; i >= 0; i-- {
		b[i] = byte(ms)
		ms >>= 8
	}
	return hex.EncodeToString(b[:])
}

// Stats are the state of an outbox.
type Stats struct {
	Rows   int64         `json:"rows"`      // not applied, or not deleted yet; at most 100,000 are counted
	Oldest time.Duration `json:"oldest_ns"` // the age of the oldest row
	Stuck  int64         `json:"stuck"`     // rows in strata_outbox_stuck; at most 100,000 are counted

	// The rest counts what this process has done.
	Direct       uint64        `json:"direct"`        // transactions applied directly after the commit
	DirectFailed uint64        `json:"direct_failed"` // transactions left to the relay
	Relayed      uint64        `json:"relayed"`       // rows applied by the relay
	Failed       uint64        `json:"failed"`        // tries of rows that failed
	SetAside     uint64        `json:"set_aside"`     // rows moved to strata_outbox_stuck
	Lag          time.Duration `json:"lag_ns"`        // age of the oldest row of the last batch when it was applied
}

// Stats returns the state of the outbox. It takes one query.
func (o *Outbox) Stats(ctx context.Context) (Stats, error) {
	s := Stats{
		Direct: o.direct.Load(), DirectFailed: o.directFailed.Load(), Relayed: o.applied.Load(),
		Failed: o.failed.Load(), SetAside: o.aside.Load(), Lag: time.Duration(o.lag.Load()),
	}
	ctx, cancel := context.WithTimeout(ctx, o.opts.Timeout)
	defer cancel()
	var age int64
	if err := o.db.QueryRowContext(ctx, o.dialect.stats()).Scan(&s.Rows, &age, &s.Stuck); err != nil {
		return s, fmt.Errorf("outbox: stats: %w", err)
	}
	s.Oldest = max(time.Duration(age)*time.Millisecond, 0)
	return s, nil
}
