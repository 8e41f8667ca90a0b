// Package outbox records the events of package invalidate in the transaction of the source
// that makes the change. A crash between the commit and the invalidation then leaves no old
// value in the caches: a relay, in any process, applies what was recorded.
//
//	box, err := outbox.New(db, outbox.PostgreSQL, bus, nil)
//	go box.Relay(ctx)
//	err = box.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
//		if _, err := tx.ExecContext(ctx, "UPDATE listings SET city = $1 WHERE id = $2", city, id); err != nil {
//			return err
//		}
//		return tx.Record(ListingChanged{ID: id, City: city})
//	})
//
// InTx invalidates directly after the commit. The relay is for what that could not do.
//
// Create the tables with the statements of [Schema]. The package uses database/sql only:
// import a driver, such as github.com/jackc/pgx/v5/stdlib, modernc.org/sqlite or
// github.com/go-sql-driver/mysql.
//
// Each event is applied at least once, and in no particular order, which is sufficient for
// invalidations. Where the order of values matters, use Target.Older or Cache.SetIfNewer.
package outbox
