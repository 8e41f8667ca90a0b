package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
	"github.com/urfave/cli/v3"
)

// errEnough ends a scan.
var errEnough = errors.New("enough")

func (t *tool) keysCommand() *cli.Command {
	return &cli.Command{
		Name: "keys", Usage: "list keys that match a pattern, without blocking Redis", ArgsUsage: "[PATTERN]",
		Description: "PATTERN is a glob as of Redis' MATCH. It follows the prefix, which may be left out: \"listing:*\".",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "limit", Usage: "how many at most; 0: all", Value: 1000},
			&cli.BoolFlag{Name: "all", Usage: "with the keys of tags, of clears and of the heartbeat"},
		},
		Action: t.connected(0, 1, func(ctx context.Context, cmd *cli.Command) error {
			pattern := cmd.Args().First()
			if pattern == "" {
				pattern = "*"
			}
			quoted := keys.Quote(t.prefix)
			if !strings.HasPrefix(pattern, quoted) {
				pattern = quoted + pattern
			}
			n, limit := 0, cmd.Int("limit")
			err := t.scan(ctx, pattern, func(_ rueidis.Client, found []string) error {
				for _, key := range found {
					if !cmd.Bool("all") && strings.HasPrefix(key, t.prefix+"!") {
						continue
					}
					if n++; limit > 0 && n > limit {
						fmt.Fprintf(t.errs, "there are more: --limit %d\n", limit)
						return errEnough
					}
					if err := t.line(key, map[string]string{"key": key, "cache": t.cacheOf(key)}); err != nil {
						return err
					}
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}),
	}
}

// line prints one of a list.
func (t *tool) line(text string, v any) error {
	if t.asJSON {
		return t.json(v)
	}
	_, err := fmt.Fprintln(t.out, text)
	return err
}

// inspect returns what is under a key, and its space and the rest of the key.
func (t *tool) inspect(ctx context.Context, key string) (r redisstore.Record, prefix, rest string, err error) {
	spaces, err := t.spaces(ctx)
	if err != nil {
		return r, "", "", err
	}
	prefix, rest = in(spaces, t.prefix, t.full(key))
	r, err = t.view(prefix, nil).Inspect(ctx, rest)
	return r, prefix, rest, err
}

func (t *tool) getCommand() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print a value as JSON, as reads find it", ArgsUsage: "KEY",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "codec", Usage: "auto, msgpack, json, text or hex", Value: "auto"},
			&cli.BoolFlag{Name: "invalidated", Usage: "print the value also if it was invalidated"},
		},
		Action: t.connected(1, 1, func(ctx context.Context, cmd *cli.Command) error {
			r, prefix, rest, err := t.inspect(ctx, cmd.Args().First())
			if err != nil {
				return err
			}
			payload := r.Payload
			if r.Kind == redisstore.KindValue && !cmd.Bool("invalidated") {
				e, err := t.view(prefix, &r).Get(ctx, rest)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if payload = e.Value; err != nil {
					fmt.Fprintf(t.errs, "%s: reads do not find it: %s\n", r.Key, describe(&r))
					return errReported
				}
			}
			if r.Kind != redisstore.KindValue && r.Kind != redisstore.KindCounter {
				fmt.Fprintf(t.errs, "%s: no value: %s\n", r.Key, describe(&r))
				return errReported
			}
			v, err := decode(cmd.String("codec"), &r, payload)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Key, err)
			}
			return t.printValue(v)
		}),
	}
}

// describe says in a few words what r is.
func describe(r *redisstore.Record) string {
	switch {
	case len(r.Invalidated) > 0:
		return "invalidated by " + strings.Join(r.Invalidated, ", ")
	case r.Kind == redisstore.KindAbsent:
		return "the source has none, for " + short(r.TTL)
	case r.Kind == redisstore.KindLease && r.Lease > 0:
		return "a process loads it, for " + short(r.Lease) + " at most"
	case r.Kind == redisstore.KindLease && r.Hold > 0:
		return "a write holds it, for " + short(r.Hold)
	case r.Kind == redisstore.KindForeign:
		return "not written by a store, or damaged: a miss"
	}
	return string(r.Kind)
}

func (t *tool) explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "say what Redis has under a key, for how long, and whether reads find it", ArgsUsage: "KEY",
		Action: t.connected(1, 1, func(ctx context.Context, cmd *cli.Command) error {
			r, prefix, _, err := t.inspect(ctx, cmd.Args().First())
			if err != nil {
				return err
			}
			if t.asJSON {
				return t.json(r)
			}
			rows := [][]string{{"key", r.Key}, {"cache", t.cacheOf(r.Key)}, {"prefix", prefix}, {"kind", string(r.Kind)}}
			add := func(name, value string, has bool) {
				if has {
					rows = append(rows, []string{name, value})
				}
			}
			add("found by reads", found(&r), r.Kind == redisstore.KindValue || r.Kind == redisstore.KindAbsent)
			add("expires in", short(r.TTL), r.TTL != 0)
			add("fresh for", short(r.FreshFor), r.Kind == redisstore.KindValue)
			add("loaded", short(time.Since(r.LoadedAt))+" ago, in "+short(r.LoadTime), !r.LoadedAt.IsZero())
			add("tags", strings.Join(r.Tags, " "), len(r.Tags) > 0)
			add("codec", r.Codec, r.Codec != "")
			add("size", fmt.Sprintf("%d bytes, of which the value %d", r.Size, len(r.Payload)), r.Size > 0)
			add("version", fmt.Sprintf("%016x", r.Version), r.Version != 0)
			add("revision", fmt.Sprint(r.Revision), r.Revision != 0)
			add("lease", "valid for "+short(r.Lease), r.Lease > 0)
			add("hold", "for "+short(r.Hold), r.Hold > 0)
			return t.table(rows)
		}),
	}
}

func found(r *redisstore.Record) string {
	if len(r.Invalidated) > 0 {
		return "no: " + describe(r)
	}
	return "yes"
}

func (t *tool) ttlCommand() *cli.Command {
	return &cli.Command{
		Name: "ttl", Usage: "print how long a key lasts, and how long its value is fresh", ArgsUsage: "KEY",
		Action: t.connected(1, 1, func(ctx context.Context, cmd *cli.Command) error {
			r, _, _, err := t.inspect(ctx, cmd.Args().First())
			switch {
			case err != nil:
				return err
			case r.Kind == redisstore.KindMissing:
				fmt.Fprintf(t.errs, "%s: missing\n", r.Key)
				return errReported
			case t.asJSON:
				return t.json(map[string]float64{"ttl_seconds": r.TTL.Seconds(), "fresh_seconds": r.FreshFor.Seconds()})
			}
			return t.table([][]string{{"expires in", short(r.TTL)}, {"fresh for", short(r.FreshFor)}})
		}),
	}
}
