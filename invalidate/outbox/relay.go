package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lokroom/strata/invalidate"
)

// A row is a recorded event that the relay has claimed.
type row struct {
	id, kind, payload string
	age               int64 // milliseconds since it was recorded
	tries             int   // with this one
	targets           invalidate.Targets
}

// Relay applies recorded events until ctx ends, and then returns nil. Run it in every process
// that writes, or in a few: any number of relays may run at once. The backend of the bus must
// have the caches that the rules name.
//
// A relay claims rows for twice Options.Timeout, applies them and deletes them. If it
// crashes, another one claims them after that time. While Redis or the database is
// unreachable, it retries every second.
//
// In SQLite it looks every 10 ms whether a row is due, by one short query, so that what any
// process has recorded is applied well before Options.Poll.
func (o *Outbox) Relay(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	wake := o.opts.Wake
	var next time.Time // of the poll; until then there are looks. Zero: the timer is that of the poll
	for {
		select {
		case <-ctx.Done():
			o.deleteDone(context.WithoutCancel(ctx))
			return nil
		case <-t.C:
			if left := time.Until(next); left > 0 && !o.looksDue(ctx) {
				t.Reset(min(left, lookEvery))
				continue
			}
		case _, open := <-wake:
			if !open {
				wake = nil
				continue
			}
		}
		full, err := o.relayOnce(ctx)
		wait := o.opts.Poll
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil:
			o.opts.Logger.Warn("outbox: the relay failed and retries", "error", err)
			wait = max(wait, time.Second)
		case full:
			wait = 0
		default:
			wait -= time.Duration(rand.Int64N(int64(wait)/10 + 1)) // relays do not poll in step
		}
		if next = (time.Time{}); o.dialect == SQLite && err == nil && wait > lookEvery {
			next, wait = time.Now().Add(wait), lookEvery
		}
		t.Reset(wait)
	}
}

// lookEvery is how often the relay of SQLite looks for rows that are due.
const lookEvery = 10 * time.Millisecond

// looksDue reports whether one of the latest rows is due, or cannot be read: the next round
// says why.
func (o *Outbox) looksDue(ctx context.Context) (due bool) {
	ctx, cancel := context.WithTimeout(ctx, o.opts.Timeout)
	defer cancel()
	err := o.db.QueryRowContext(ctx, o.dialect.look()).Scan(&due)
	return due || err != nil
}

// relayOnce applies one batch. full reports whether there may be more rows.
func (o *Outbox) relayOnce(ctx context.Context) (full bool, err error) {
	if err := o.deleteDone(ctx); err != nil {
		return false, err
	}
	rows, err := o.claim(ctx)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	full = len(rows) == o.opts.Batch
	if full && o.opts.Notify {
		if err := o.exec(ctx, "SELECT pg_notify('"+table+"', '')"); err != nil {
			return false, err
		}
	}
	return full, o.apply(ctx, rows)
}

// reason returns the text of err in a form that every database stores.
func reason(err error) string {
	s := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "?"), "\x00", "?")
	if len(s) > 1000 {
		s = strings.ToValidUTF8(s[:1000], "")
	}
	return s
}

// deleteDone deletes the rows that the direct path has applied.
func (o *Outbox) deleteDone(ctx context.Context) error {
	for {
		o.mu.Lock()
		n := min(len(o.done), o.opts.Batch)
		ids := o.done[:n:n]
		o.done = o.done[n:]
		o.mu.Unlock()
		if n == 0 {
			return nil
		}
		args := make([]any, n)
		for i, id := range ids {
			args[i] = id
		}
		if err := o.exec(ctx, o.dialect.remove(n), args...); err != nil {
			o.forget(ids)
			return err
		}
	}
}

// mostDone bounds the ids that wait to be deleted. A relay deletes the rows of others, too,
// but applies them again.
const mostDone = 100_000

// forget has the rows deleted that were applied.
func (o *Outbox) forget(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.done)+len(ids) <= mostDone {
		o.done = append(o.done, ids...)
	}
}

// claim returns rows that no other relay applies for twice Options.Timeout.
func (o *Outbox) claim(ctx context.Context) (rows []*row, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.opts.Timeout)
	defer cancel()
	claimFor := (2 * o.opts.Timeout).Milliseconds()
	if o.dialect != MySQL {
		return scan(o.db.QueryContext(ctx, o.dialect.claim(), claimFor, o.opts.Batch))
	}
	tx, err := o.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, fmt.Errorf("outbox: claim: %w", err)
	}
	defer tx.Rollback()
	rows, err = scan(tx.QueryContext(ctx, o.dialect.claim(), o.opts.Batch))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, o.dialect.extend(len(rows)), append([]any{claimFor, 1}, idsOf(rows)...)...); err != nil {
		return nil, fmt.Errorf("outbox: claim: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("outbox: claim: %w", err)
	}
	return rows, nil
}

// scan reads all rows of a claim.
func scan(found *sql.Rows, err error) (rows []*row, _ error) {
	if err != nil {
		return nil, fmt.Errorf("outbox: claim: %w", err)
	}
	defer found.Close()
	for found.Next() {
		r := new(row)
		if err := found.Scan(&r.id, &r.kind, &r.payload, &r.age, &r.tries); err != nil {
			return nil, fmt.Errorf("outbox: claim: %w", err)
		}
		rows = append(rows, r)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("outbox: claim: %w", err)
	}
	return rows, nil
}

// exec executes a statement within Options.Timeout.
func (o *Outbox) exec(ctx context.Context, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, o.opts.Timeout)
	defer cancel()
	if _, err := o.db.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("outbox: relay: %w", err)
	}
	return nil
}

func idsOf(rows []*row) []any {
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	return ids
}
