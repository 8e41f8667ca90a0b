package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lokroom/strata/internal/bypass"
)

// A Tx is a transaction of [Outbox.InTx]. Do not call Commit or Rollback.
type Tx struct {
	*sql.Tx
	box    *Outbox
	events []any
}

// Record adds events to those of the transaction. They are recorded directly before the
// commit, in one statement. An event without a rule is an error that wraps
// invalidate.ErrNoRule.
func (tx *Tx) Record(events ...any) error {
	for _, event := range events {
		if _, _, err := tx.box.bus.Rules().Encode(event); err != nil {
			return err
		}
	}
	tx.events = append(tx.events, events...)
	return nil
}

// InTx calls f in a transaction, records its events, commits, and invalidates what the events
// affect. If f returns an error or panics, the transaction is rolled back and nothing is
// recorded.
//
// Reads of caches with the context of f call their loaders, with that context, and do not
// keep the result: see strata.WithoutCache. A loader can get the transaction from [TxFrom].
//
// InTx returns nil if and only if the database has confirmed the commit. If the invalidation
// fails after that, because Redis is unreachable, the relay applies it later; this process
// does not serve the old values even then. If the commit returns an error, its outcome may be
// unknown: InTx then invalidates, too, and returns the error.
//
// The transaction of SQLite begins with a write, as BEGIN IMMEDIATE does, because SQLite
// refuses to turn a transaction that has read into one that writes.
func (o *Outbox) InTx(ctx context.Context, opts *sql.TxOptions, f func(ctx context.Context, tx *Tx) error) (err error) {
	if outer := TxFrom(ctx); outer != nil && outer.box == o {
		return errors.New("outbox: InTx within InTx: use the transaction of TxFrom")
	}
	inner, err := o.db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("outbox: begin: %w", err)
	}
	tx := &Tx{Tx: inner, box: o}
	ended := false
	defer func() {
		if !ended { // an error, or a panic of f
			inner.Rollback()
		}
	}()
	if o.dialect == SQLite && (opts == nil || !opts.ReadOnly) {
		if _, err := inner.ExecContext(ctx, "DELETE FROM "+table+" WHERE 0"); err != nil {
			return fmt.Errorf("outbox: begin: %w", err)
		}
	}
	if err := f(context.WithValue(bypass.With(ctx), txKey{}, tx), tx); err != nil {
		return err
	}
	ids, err := o.record(ctx, inner, o.opts.Grace, tx.events)
	if err != nil {
		return err
	}
	ended = true
	err = inner.Commit()
	if err != nil {
		err = fmt.Errorf("outbox: commit, with an outcome that may be unknown: %w", err)
	}
	return o.applyDirectly(ctx, tx.events, ids, err)
}

// applyDirectly invalidates after a commit with the result committed, which it returns.
func (o *Outbox) applyDirectly(ctx context.Context, events []any, ids []string, committed error) error {
	if len(events) == 0 {
		return committed
	}
	// The caller may be gone, and the values are old all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.opts.Timeout)
	defer cancel()
	if o.opts.Committed != nil {
		if err := o.opts.Committed(ctx); err != nil {
			o.opts.Logger.Warn("outbox: Options.Committed failed", "error", err)
		}
	}
	if err := o.bus.Publish(ctx, events...); err != nil {
		o.directFailed.Add(1)
		o.opts.Logger.Warn("outbox: invalidation after the commit failed; the relay repeats it", "error", err)
		return committed
	}
	if committed == nil {
		o.direct.Add(1)
		o.forget(ids)
	}
	return committed
}

type txKey struct{}

// TxFrom returns the transaction of the context that InTx passes to its function, or nil. A
// loader uses it to read what the transaction has written.
func TxFrom(ctx context.Context) *Tx {
	tx, _ := ctx.Value(txKey{}).(*Tx)
	return tx
}
