// Command quickstart puts a cache in front of a slow source and measures the effect. It has
// no requirements:
//
//	go run ./examples/quickstart
//
// With Redis it also has a second tier and a second process:
//
//	go run ./examples/quickstart -redis redis://localhost:6379
//
// It checks its claims and exits with 1 if one is not true. Its keys in Redis begin with
// "quickstart:" and are deleted at the end; run only one at a time on one Redis. With -peer
// it is the second process only, which runs until it is interrupted: start it in another
// terminal to see changes arrive.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/lokroom/strata"
)

func main() {
	redisURL := flag.String("redis", os.Getenv("REDIS_URL"), "redis://[:password@]host:port; empty: no L2")
	peer := flag.Bool("peer", false, "be the second process: print the changes that arrive in its memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	program := run
	if *peer {
		program = watch
	}
	if err := program(ctx, *redisURL, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// open is all the setting up there is: a backend, which the caches of a process
// share, and one cache in it. load is how a listing is read from the source; the
// types of the cache are those of load.
func open(ctx context.Context, redisURL string, load func(context.Context, int64) (Listing, error)) (*strata.Backend, *strata.Cache[int64, Listing], error) {
	backend, err := strata.Open(ctx, &strata.Config{
		RedisURL: redisURL,      // L2; empty: there is none
		Memory:   memory,        // L1, in bytes, for all caches together
		Prefix:   "quickstart:", // of all keys in Redis
	})
	if err != nil {
		return nil, nil, err
	}
	listings, err := strata.New(backend, "listing", load, &strata.Options[int64, Listing]{
		TTL:       5 * time.Minute,  // how long a listing may be used if nobody says that it changed
		AbsentFor: 30 * time.Second, // how long it is remembered that there is no such listing
	})
	if err != nil {
		backend.Close()
		return nil, nil, err
	}
	return backend, listings, nil
}

const memory = 64 << 20

// run is the program without -peer.
func run(ctx context.Context, redisURL string, out io.Writer) error {
	db := newDatabase()
	backend, listings, err := open(ctx, redisURL, db.Listing)
	if err != nil {
		return err
	}
	defer backend.Close()

	t := &tour{db: db, listings: listings, redisURL: redisURL, report: newReport(out, redisURL != "")}
	t.introduce()
	if err := listings.Clear(ctx); err != nil { // left by an interrupted run
		return err
	}
	for _, step := range t.steps() {
		if err := step(ctx); err != nil {
			return err
		}
	}
	// Clear would leave the values in Redis until they expire.
	if _, err := listings.DeletePattern(ctx, "*"); err != nil {
		return err
	}
	return t.report.close()
}
