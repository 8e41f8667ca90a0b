// Command marketplace is a rental marketplace: an HTTP service whose reads go through Strata.
//
// It needs nothing installed: without DATABASE_URL it uses SQLite, and without REDIS_URL each
// process caches in its memory alone. README.md describes it.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/examples/marketplace/web"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "marketplace:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string) error {
	s, addr, err := readSettings(args)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	a, err := open(ctx, s)
	if err != nil {
		_ = l.Close()
		return err
	}
	slog.Info("listening", "url", "http://"+l.Addr().String())
	go func() {
		if err := a.metrics.serve(ctx, s.metrics); err != nil {
			slog.Error("no metrics", "err", err)
		}
	}()
	return a.serve(ctx, l)
}

// settings are what a process is started with.
type settings struct {
	cache       *strata.Config
	databaseURL string // of PostgreSQL; empty: SQLite
	file        string // of SQLite
	listings    int    // to seed an empty database with
	slow        bool
	bypass      bool
	metrics     string // address for Prometheus
	web         web.Options
}

func readSettings(args []string) (s settings, addr string, err error) {
	f := flag.NewFlagSet("marketplace", flag.ContinueOnError)
	f.StringVar(&addr, "addr", "localhost:8080", "the address to listen on")
	f.StringVar(&s.file, "db", "marketplace.db", "the file of SQLite, unless DATABASE_URL is set")
	f.IntVar(&s.listings, "listings", 50_000, "how many listings an empty database is filled with")
	f.BoolVar(&s.slow, "slow", false, "delay reads of the database as a busy remote one does: a listing by 150 ms")
	f.BoolVar(&s.bypass, "no-cache", false, "read the database with each request, to compare")
	f.IntVar(&s.web.Limits.Reads, "reads", 600, "requests that read, for each client and endpoint, in a minute")
	f.IntVar(&s.web.Limits.Writes, "writes", 60, "requests that write, for each client and endpoint, in a minute")
	f.StringVar(&s.metrics, "metrics", "", "an address to serve metrics for Prometheus on, such as localhost:9464")
	trusted := f.String("trusted-proxies", "", "networks whose X-Forwarded-For is trusted, such as 10.0.0.0/8,127.0.0.0/8")
	if err := f.Parse(args); err != nil {
		return s, "", err
	}
	for _, network := range strings.FieldsFunc(*trusted, func(r rune) bool { return r == ',' }) {
		p, err := netip.ParsePrefix(network)
		if err != nil {
			return s, "", fmt.Errorf("-trusted-proxies: %w", err)
		}
		s.web.Limits.Trusted = append(s.web.Limits.Trusted, p)
	}
	if s.listings < 1 {
		return s, "", fmt.Errorf("-listings is %d, must be at least 1", s.listings)
	}
	s.databaseURL, s.web.AdminToken = os.Getenv("DATABASE_URL"), os.Getenv("ADMIN_TOKEN")
	s.cache, err = cacheConfig()
	return s, addr, err
}

// cacheConfig returns the configuration of the environment: REDIS_URL, STRATA_MEMORY and others.
func cacheConfig() (*strata.Config, error) {
	c, err := strata.FromEnv()
	if err != nil {
		return nil, err
	}
	c.RedisOptional = true              // start without Redis, and use it as soon as it answers
	c.NotFound = []error{sql.ErrNoRows} // a row that does not exist is remembered as absent
	c.Logger = slog.Default()
	return c, nil
}

// openSource opens the database, and fills it if it is empty.
func openSource(ctx context.Context, s settings) (*source.DB, error) {
	var delays = source.Slow
	if !s.slow {
		delays = nil
	}
	db, err := source.Open(ctx, s.databaseURL, s.file, delays)
	if err != nil {
		return nil, err
	}
	bar := newProgress(os.Stderr, "seeding")
	if err := db.Seed(ctx, s.listings, bar.show); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}
