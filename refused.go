package strata

import (
	"log/slog"
	"sync"
	"time"
)

// reportQueue returns a function that logs that changes of the cache wait for Redis, or nil
// without a Logger.
func (c *untyped[K]) reportQueue() func(keys int, oldest time.Duration, err error) {
	log := c.backend.cfg.Logger
	if log == nil {
		return nil
	}
	return func(keys int, oldest time.Duration, err error) {
		cache, age := slog.String("cache", c.name), slog.Duration("oldest", oldest)
		if err == nil {
			log.Info("strata: Redis has acknowledged all changes", cache, age)
			return
		}
		log.Warn("strata: changes wait for Redis, and other processes may serve old values", cache, slog.Int("keys", keys), age, slog.Any("error", err))
	}
}

// reportRefused returns a function that logs the first change of the cache that Redis
// refuses permanently, or nil without a Logger. Stats counts all such changes.
func (c *untyped[K]) reportRefused() func(key string, err error) {
	log := c.backend.cfg.Logger
	if log == nil {
		return nil
	}
	var once sync.Once
	return func(key string, err error) {
		once.Do(func() {
			log.Warn("strata: Redis permanently refused a change, which is not retried; Stats().RetryRefused counts such changes",
				slog.String("cache", c.name), slog.String("key", key), slog.Any("error", err))
		})
	}
}
