package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"
)

// done reports a change.
func (t *tool) done(text string, v any) error { return t.line(t.colour("32", "done")+": "+text, v) }

// counted returns n with its noun, which is one for 1 and else many.
func counted[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func values(n int) string { return counted(n, "value", "values") }

func (t *tool) delCommand() *cli.Command {
	return &cli.Command{
		Name: "del", Usage: "invalidate values by their keys, in Redis and in every process", ArgsUsage: "KEY...",
		Action: t.connected(1, -1, func(ctx context.Context, cmd *cli.Command) error {
			var full []string
			for _, key := range cmd.Args().Slice() {
				full = append(full, t.full(key)[len(t.prefix):])
			}
			if err := t.confirm("Invalidate " + values(len(full))); err != nil {
				return err
			}
			if err := t.view(t.prefix, nil).Delete(ctx, full...); err != nil {
				return err
			}
			return t.done(values(len(full))+" invalidated", map[string]int{"invalidated": len(full)})
		}),
	}
}

func (t *tool) clearCommand() *cli.Command {
	return &cli.Command{
		Name: "clear", Usage: "invalidate all values of a cache, in Redis and in every process", ArgsUsage: "CACHE",
		Description: "Redis forgets the values at the end of their lives. Counters stay.",
		Action: t.connected(1, 1, func(ctx context.Context, cmd *cli.Command) error {
			cache := cmd.Args().First()
			spaces, err := t.spaces(ctx)
			if err != nil {
				return err
			}
			mine := slices.DeleteFunc(slices.Clone(spaces), func(s space) bool { return s.cache != cache })
			if len(mine) == 0 {
				return fmt.Errorf("no cache %q in Redis: \"stratactl stats\" lists those that there are", cache)
			}
			if err := t.confirm(fmt.Sprintf("Invalidate all values of the cache %q", cache)); err != nil {
				return err
			}
			for _, s := range mine {
				if err := t.view(s.prefix, nil).Clear(ctx); err != nil {
					return err
				}
			}
			return t.done(fmt.Sprintf("cache %q is cleared", cache), map[string]any{"cleared": cache, "schema_versions": len(mine)})
		}),
	}
}

func (t *tool) invalidateCommand() *cli.Command {
	return &cli.Command{
		Name: "invalidate", Usage: "invalidate all values that carry one of the tags, in every process", ArgsUsage: "TAG...",
		Action: t.connected(1, -1, func(ctx context.Context, cmd *cli.Command) error {
			tags := cmd.Args().Slice()
			if err := t.confirm(fmt.Sprintf("Invalidate all values with one of the tags %q", tags)); err != nil {
				return err
			}
			if err := t.tags.Invalidate(ctx, tags...); err != nil {
				return err
			}
			return t.done(fmt.Sprintf("tags %q are invalidated", tags), map[string][]string{"invalidated": tags})
		}),
	}
}

func (t *tool) watchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "print invalidations as they happen, until interrupted",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cache", Usage: "only those of one cache"},
			&cli.IntFlag{Name: "limit", Usage: "end after so many; 0: never"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			limit := cmd.Int("limit")
			return t.events(ctx, func(e event) error {
				if c := cmd.String("cache"); c != "" && e.Cache != c && e.What != "disconnected" && e.What != "connected" {
					return nil
				}
				if err := t.line(e.String(), e); err != nil {
					return err
				}
				if limit--; limit == 0 {
					return errEnough
				}
				return nil
			})
		},
	}
}
