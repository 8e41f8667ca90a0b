package databases

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/store"
)

// The points of a write at which a process is killed.
var points = []string{"begin", "record", "before commit", "after commit", "before invalidation", "after invalidation"}

// A crasher is called at each point. Its error is that of the commit, after the commit.
type crasher func(point string) error

// openCrashing returns a database of d whose connections call at.
func openCrashing(d database, at crasher) (*sql.DB, error) {
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return sql.OpenDB(&crashConnector{db.Driver(), d.dsn, at}), nil
}

type crashConnector struct {
	driver driver.Driver
	dsn    string
	at     crasher
}

func (c *crashConnector) Driver() driver.Driver { return c.driver }

func (c *crashConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &crashConn{conn, c.at}, nil
}

type crashConn struct {
	driver.Conn
	at crasher
}

func (c *crashConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &crashTx{tx, c}, nil
}

func (c *crashConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	switch {
	case err == nil && strings.HasPrefix(query, "INSERT INTO strata_outbox "):
		c.at("record")
	case err == nil && strings.HasPrefix(query, "UPDATE listings"):
		c.at("begin")
	}
	return r, err
}

func (c *crashConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *crashConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c *crashConn) CheckNamedValue(v *driver.NamedValue) error {
	if check, ok := c.Conn.(driver.NamedValueChecker); ok {
		return check.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *crashConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *crashConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}

type crashTx struct {
	driver.Tx
	conn *crashConn
}

func (tx *crashTx) Commit() error {
	tx.conn.at("before commit")
	err := tx.Tx.Commit()
	if lost := tx.conn.at("after commit"); err == nil {
		err = lost
	}
	return err
}

// A crashBackend calls at around invalidations.
type crashBackend struct {
	invalidate.Backend
	at crasher
}

func (b *crashBackend) DeleteTexts(ctx context.Context, h store.Hold, texts map[string][]string) error {
	b.at("before invalidation")
	err := b.Backend.DeleteTexts(ctx, h, texts)
	b.at("after invalidation")
	return err
}
