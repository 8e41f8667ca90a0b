package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
	"github.com/urfave/cli/v3"
)

// cacheStats is what Redis has of one cache.
type cacheStats struct {
	Cache  string   `json:"cache"`
	Keys   int      `json:"keys"`
	Bytes  int64    `json:"bytes"` // estimated from a sample
	Spaces []string `json:"prefixes"`
}

// mostSampled is how many keys of a cache are measured.
const mostSampled = 100

func (t *tool) statsCommand() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "print what Redis has of each cache, and how it fares",
		Description: "It counts keys by a scan, which takes seconds where there are millions, and blocks nobody.\nHit ratios and latencies of a service are those of its processes: see package admin.",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "watch", Usage: "repeat at this interval, without counting keys"},
		},
		Action: t.connected(0, 0, func(ctx context.Context, cmd *cli.Command) error {
			every := cmd.Duration("watch")
			if every <= 0 {
				return t.stats(ctx)
			}
			return t.watchStats(ctx, every)
		}),
	}
}

func (t *tool) serverStats(ctx context.Context) (*store.ServerStats, error) {
	s, err := t.view(t.prefix, nil).Stats(ctx)
	return s.Server, err
}

func (t *tool) stats(ctx context.Context) error {
	server, err := t.serverStats(ctx)
	if err != nil {
		return err
	}
	caches, err := t.countKeys(ctx)
	if err != nil {
		return err
	}
	if t.asJSON {
		return t.json(map[string]any{"redis": server, "caches": caches})
	}
	limit := "no limit"
	if server.MaxBytes > 0 {
		limit = "of " + size(float64(server.MaxBytes))
	}
	fmt.Fprintf(t.out, "Redis: %s, %s %s, %d evicted, %d expired, %s\n\n", counted(server.Keys, "key", "keys"), size(float64(server.Bytes)), limit,
		server.Evictions, server.Expired, counted(server.Nodes, "primary", "primaries"))
	rows := [][]string{{"CACHE", "KEYS", "MEMORY", "PREFIXES"}}
	for _, c := range caches {
		rows = append(rows, []string{c.Cache, fmt.Sprint(c.Keys), "~" + size(float64(c.Bytes)), strings.Join(c.Spaces, " ")})
	}
	return t.table(rows)
}

// countKeys counts the keys of each cache, counters included.
func (t *tool) countKeys(ctx context.Context) ([]*cacheStats, error) {
	spaces, err := t.spaces(ctx)
	if err != nil {
		return nil, err
	}
	caches, progress := make(map[string]*cacheStats), t.progress()
	of := func(name string) *cacheStats {
		if caches[name] == nil {
			caches[name] = &cacheStats{Cache: name}
		}
		return caches[name]
	}
	for _, s := range spaces {
		of(s.cache).Spaces = append(of(s.cache).Spaces, s.prefix)
	}
	total, sampled, bytes := 0, make(map[string]int), make(map[string]int64)
	err = t.scan(ctx, keys.Quote(t.prefix)+"*", func(node rueidis.Client, found []string) error {
		for _, key := range found {
			if strings.HasPrefix(key, t.prefix+"!") {
				continue
			}
			name := t.cacheOf(key)
			of(name).Keys++
			if sampled[name] < mostSampled {
				n, err := node.Do(ctx, node.B().Strlen().Key(key).Build()).AsInt64()
				if _, refused := rueidis.IsRedisErr(err); err != nil && !refused { // it is no string, say
					return err
				}
				sampled[name]++
				bytes[name] += n + int64(len(key))
			}
		}
		total += len(found)
		progress("%s", counted(total, "key", "keys"))
		return nil
	})
	progress("")
	if err != nil {
		return nil, err
	}
	var list []*cacheStats
	for name, c := range caches {
		if n := sampled[name]; n > 0 {
			c.Bytes = bytes[name] / int64(n) * int64(c.Keys)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *cacheStats) int { return strings.Compare(a.Cache, b.Cache) })
	return list, nil
}

// watchStats prints a line at each interval.
func (t *tool) watchStats(ctx context.Context, every time.Duration) error {
	old, err := t.serverStats(ctx)
	if err != nil {
		return err
	}
	if !t.asJSON {
		fmt.Fprintf(t.out, "%10s  %10s  %8s  %8s  %8s  %8s\n", "KEYS", "MEMORY", "HITS/S", "MISSES/S", "EVICT/S", "EXPIRE/S")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := t.serverStats(ctx)
		if err != nil {
			return err
		}
		rate := func(a, b uint64) float64 { return perSecond(a, b, every) }
		err = t.line(fmt.Sprintf("%10d  %10s  %8.0f  %8.0f  %8.0f  %8.0f", now.Keys, size(float64(now.Bytes)),
			rate(old.Hits, now.Hits), rate(old.Misses, now.Misses), rate(old.Evictions, now.Evictions), rate(old.Expired, now.Expired)), now)
		if err != nil {
			return err
		}
		old = now
	}
}

// perSecond returns the rate of a counter that has grown from a to b. A counter of a server
// that has restarted begins at zero.
func perSecond(a, b uint64, d time.Duration) float64 {
	if b < a {
		a = 0
	}
	return float64(b-a) / d.Seconds()
}
