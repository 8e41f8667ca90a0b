// Command first is the first use of a cache that README.md shows.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/lokroom/strata"
)

// nameByID reads from the source.
func nameByID(_ context.Context, id int64) (string, error) {
	fmt.Println("loading", id)
	if id > 100 {
		return "", sql.ErrNoRows
	}
	return fmt.Sprint("user ", id), nil
}

func main() {
	ctx := context.Background()
	b, err := strata.Open(ctx, &strata.Config{ // with RedisURL: "redis://localhost:6379", too
		NotFound: []error{sql.ErrNoRows}, // of the source: remembered as absent
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	names, err := strata.New(b, "name", nameByID, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(names.Get(ctx, 7)) // loads
	fmt.Println(names.Get(ctx, 7)) // from memory

	if err := names.Delete(ctx, 7); err != nil { // after user 7 has changed at the source
		log.Print(err)
	}
	fmt.Println(names.Get(ctx, 7)) // loads
}
