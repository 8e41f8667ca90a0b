package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
	"github.com/urfave/cli/v3"
)

// A benchResult is one row of bench.
type benchResult struct {
	Work    string  `json:"work"`
	Callers int     `json:"callers"`
	Rate    float64 `json:"per_second"`
	P50     float64 `json:"p50_seconds"`
	P99     float64 `json:"p99_seconds"`
}

const benchKeys = 1000

func (t *tool) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "measure reads and writes of values in this Redis, from here",
		Description: "It writes 1000 values of its own, which expire after 10 minutes, and removes them at the end.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "size", Usage: "bytes of a value", Value: 1024},
			&cli.DurationFlag{Name: "for", Usage: "how long each row takes", Value: time.Second},
			&cli.IntSliceFlag{Name: "callers", Usage: "concurrent callers", Value: []int{1, 8, 64}},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			n, d, callers := cmd.Int("size"), cmd.Duration("for"), cmd.IntSlice("callers")
			if n < 0 || n > redisstore.DefaultMaxValueSize || d <= 0 || len(callers) == 0 || slices.Min(callers) < 1 {
				return usagef("bench: want --size from 0 to %d, and positive --for and --callers", redisstore.DefaultMaxValueSize)
			}
			if err := t.needURL(); err != nil {
				return err
			}
			return t.bench(ctx, n, d, callers)
		},
	}
}

func (t *tool) bench(ctx context.Context, n int, d time.Duration, callers []int) (err error) {
	dialer := redisstore.Dialer{Timeout: t.timeout, MaxDisconnected: -1} // tracked, as services are
	c, err := dialer.DialURLContext(ctx, t.url)
	if err != nil {
		return err
	}
	defer c.Close()
	prefix := fmt.Sprintf("%sbench-%016x:", t.prefix, rand.Uint64())
	s := redisstore.New(c, &redisstore.Options[[]byte]{Prefix: prefix, Tags: redisstore.NewTags(c, t.prefix+"!"), Codec: codec.Bytes()})
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	value := bytes.Repeat([]byte("x"), n)
	set := func(ctx context.Context, key string) error {
		return s.Set(ctx, key, store.Entry[[]byte]{Value: value, ExpiresAt: store.Now().Add(10 * time.Minute)})
	}
	defer func() {
		err = errors.Join(err, s.Delete(context.WithoutCancel(ctx), keys...), forget(c, t.prefix+"!c:"+prefix))
	}()
	for _, key := range keys {
		if err := set(ctx, key); err != nil {
			return err
		}
	}
	get := func(ctx context.Context, key string) error { _, err := s.Get(ctx, key); return err }
	rows := [][]string{{"WORK", "CALLERS", "PER SECOND", "P50", "P99"}}
	for _, w := range []struct {
		name string
		do   func(context.Context, string) error
	}{{"read", get}, {"write", set}} {
		for _, k := range callers {
			r, err := measure(ctx, keys, k, d, w.do)
			if err != nil {
				return err
			}
			if r.Work = w.name; t.asJSON {
				if err := t.json(r); err != nil {
					return err
				}
			}
			rows = append(rows, []string{w.name, fmt.Sprint(k), fmt.Sprintf("%.0f", r.Rate), short(seconds(r.P50)), short(seconds(r.P99))})
		}
	}
	if t.asJSON {
		return nil
	}
	return t.table(rows)
}

// forget removes the marker of the last Clear of a store that is not used any more.
func forget(c *redisstore.Client, marker string) error {
	return c.Do(context.Background(), marker, func(ctx context.Context, r rueidis.Client) error {
		return r.Do(ctx, r.B().Del().Key(marker).Build()).Error()
	})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// measure has so many callers do something with random keys for d.
func measure(ctx context.Context, keys []string, callers int, d time.Duration, do func(context.Context, string) error) (benchResult, error) {
	took, errs := make([][]time.Duration, callers), make([]error, callers)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for errs[i] == nil {
				from := time.Now()
				if from.Sub(start) >= d && len(took[i]) > 0 {
					return
				}
				errs[i] = do(ctx, keys[rand.IntN(len(keys))])
				took[i] = append(took[i], time.Since(from))
			}
		})
	}
	wg.Wait()
	elapsed, all := time.Since(start), slices.Concat(took...)
	for _, err := range errs {
		if err != nil {
			return benchResult{}, err
		}
	}
	slices.Sort(all)
	at := func(share float64) float64 { return all[min(len(all)-1, int(share*float64(len(all))))].Seconds() }
	return benchResult{Callers: callers, Rate: float64(len(all)) / elapsed.Seconds(), P50: at(0.5), P99: at(0.99)}, nil
}
