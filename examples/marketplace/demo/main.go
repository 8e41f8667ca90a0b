// Command demo measures the marketplace without and with its caches, and then two processes of it
// whose Redis is killed, and that are replaced by a release with another type of values. It builds
// and starts what it needs; "redis-server" must be installed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/lokroom/strata/examples/marketplace/load"
)

// A demo has the settings, and the folder for the database and the logs.
type demo struct {
	listings, rate int
	duration       time.Duration
	dir            string
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	d := new(demo)
	flag.IntVar(&d.listings, "listings", 50_000, "how many listings there are")
	flag.IntVar(&d.rate, "rate", 300, "requests a second")
	flag.DurationVar(&d.duration, "for", 20*time.Second, "how long each part is measured")
	flag.Parse()
	if d.dir, err = os.MkdirTemp("", "marketplace"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := d.build(ctx); err != nil {
		return err
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	if err := d.withRedis(ctx, "Redis is killed", d.killRedis); err != nil {
		return err
	}
	return d.withRedis(ctx, "a deploy that changes the type of listings", func(ctx context.Context, redis *process) ([]part, error) {
		return d.deploy(ctx, redis.addr)
	})
}

// withRedis starts a Redis for f, and prints the parts that it has measured.
func (d *demo) withRedis(ctx context.Context, name string, f func(context.Context, *process) ([]part, error)) (err error) {
	redis, err := d.startRedis(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.stop()) }()
	parts, err := f(ctx, redis)
	if err == nil {
		printParts(os.Stdout, name, parts)
	}
	return err
}

// compare measures one process without and with its cache.
func (d *demo) compare(ctx context.Context) error {
	without, err := d.measureOne(ctx, 0, "-no-cache")
	if err != nil {
		return err
	}
	with, err := d.measureOne(ctx, d.duration)
	if err != nil {
		return err
	}
	printComparison(os.Stdout, d, without, with)
	return nil
}

// measureOne measures one process that has answered other requests for a time. Each call sends the
// same requests.
func (d *demo) measureOne(ctx context.Context, before time.Duration, args ...string) (r *load.Report, err error) {
	p, err := d.startService(ctx, "this", nil, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	g := d.generator(p.url)
	if _, err := g.Run(ctx, before, 2); err != nil {
		return nil, err
	}
	return g.Run(ctx, d.duration, 1)
}

func (d *demo) generator(targets ...string) *load.Generator {
	return &load.Generator{Targets: targets, Rate: d.rate, Listings: d.listings, Clients: 5000}
}

// killRedis measures two processes before, while and after Redis is away.
func (d *demo) killRedis(ctx context.Context, redis *process) (parts []part, err error) {
	var targets []string
	for range 2 {
		p, err := d.startService(ctx, "this", []string{"REDIS_URL=redis://" + redis.addr})
		if err != nil {
			return nil, err
		}
		defer func() { _ = p.stop() }() // its exit status may be that of lost changes
		targets = append(targets, p.url)
	}
	g := d.generator(targets...)
	if _, err := g.Run(ctx, d.duration/2, 1); err != nil {
		return nil, err
	}
	for i, step := range []struct {
		name string
		do   func() error
	}{
		{"Redis works", func() error { return nil }},
		{"Redis is killed", redis.kill},
		{"Redis is back, empty", func() error { return redis.start(ctx) }},
	} {
		if err := step.do(); err != nil {
			return nil, err
		}
		r, err := g.Run(ctx, d.duration/2, uint64(i+2))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{step.name, r})
	}
	return parts, nil
}
