package main

import (
	"errors"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/lokroom/strata/benchmarks/peers/report"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

var errDenied = errors.New("denied")

// limits measures decisions of rate limiters in Redis, by GCRA, of which none is denied.
func (r *run) limits() error {
	if r.skips("rate limit, 64 callers") {
		return nil
	}
	client := redis.NewClient(&redis.Options{Addr: r.addr, PoolSize: 64})
	defer client.Close()
	theirs := redis_rate.NewLimiter(client)
	own, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{r.addr}})
	if err != nil {
		return err
	}
	defer own.Close()
	limiter, err := redislimit.New(own, &redislimit.Options{Timeout: 10 * time.Second, OnFailure: redislimit.FailClosed},
		ratelimit.Policy{Name: "p", Limit: 1_000_000, Window: time.Second})
	if err != nil {
		return err
	}
	order := zipf(hot)
	return r.work(report.Work{
		Name: "rate limit, 64 callers", Group: "l2",
		What: "64 callers ask for one of 1,000 keys by Zipf's law; redis_rate on go-redis with PoolSize 64.",
	}, plan{callers: 64, batch: 4}, []contender{
		{"strata-gcra", func(i int) error {
			d, err := limiter.Allow(ctx, names()[order[i%len(order)]])
			if err == nil && !d.Allowed {
				err = errDenied
			}
			return err
		}},
		{"redis_rate", func(i int) error {
			d, err := theirs.Allow(ctx, names()[order[i%len(order)]], redis_rate.PerSecond(1_000_000))
			if err == nil && d.Allowed != 1 {
				err = errDenied
			}
			return err
		}},
	})
}
