// Command httpcaches measures hits of package httpcache beside those of nginx and Varnish, with
// wrk: "make bench-http". All have the same response of 2 KiB, in memory, and serve it over
// loopback on the machine that also runs wrk.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 9, "turns of each contender")
	turn := flag.Duration("turn", 2*time.Second, "how long a turn takes")
	out := flag.String("out", "", "file for the results; empty: standard output")
	serve := flag.String("serve", "", "what to serve in a child process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		if *serve != "" {
			return serveChild(*serve)
		}
		return run(ctx, *rounds, *turn, *out)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "httpcaches:", err)
		os.Exit(1)
	}
}

// connections are how many of wrk are measured.
var connections = []int{1, 64}

func run(ctx context.Context, rounds int, turn time.Duration, out string) error {
	dir, err := os.MkdirTemp("", "httpcaches")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, stop, err := start(ctx, dir)
	defer stop()
	if err != nil {
		return err
	}
	all := make(map[work][]sample)
	for range rounds {
		for _, n := range connections {
			for _, s := range servers {
				got, err := measure(ctx, s.url, n, turn)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				w := work{s.name, n}
				all[w] = append(all[w], got)
			}
		}
	}
	to := io.Writer(os.Stdout)
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		defer f.Close()
		to = io.MultiWriter(os.Stdout, f)
	}
	return cmp.Or(report(to, servers, all, rounds, turn), ctx.Err())
}
