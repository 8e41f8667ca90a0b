package strata_test

import (
	"context"
	"database/sql"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
)

// What a service does with an outbox. It has no output because it needs a database.
func Example_outbox() {
	var (
		ctx context.Context
		db  *sql.DB
		bus *invalidate.Bus
	)
	moveProduct := func(id int64, city, before string) error {
		box, err := outbox.New(db, outbox.PostgreSQL, bus, nil)
		if err != nil {
			return err
		}
		go box.Relay(ctx)

		return box.InTx(ctx, nil, func(ctx context.Context, tx *outbox.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE products SET city = $1 WHERE id = $2", city, id); err != nil {
				return err
			}
			return tx.Record(ProductMoved{ID: id, City: city, CityBefore: before})
		})
	}
	_ = moveProduct
}
