package replica_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lokroom/strata/invalidate/replica"
)

func ExampleParsePosition() {
	p, err := replica.ParsePosition("16/B374D848")
	fmt.Println(p, err)
	_, err = replica.ParsePosition("16")
	fmt.Println(err)
	// Output:
	// 16/B374D848 <nil>
	// replica: "16" is not a position of a write-ahead log
}

func ExampleReader() {
	var primary, standby *sql.DB // of pgx or lib/pq
	reader, err := replica.New(primary, standby, &replica.Options{AskPrimary: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	load := func(ctx context.Context, id int64) (city string, err error) {
		db, err := reader.DB(ctx)
		if err != nil {
			return "", err
		}
		return city, db.QueryRowContext(ctx, "SELECT city FROM listings WHERE id = $1", id).Scan(&city)
	}
	_ = load
	// Output: replica: a reader needs a primary and a standby
}
