package strata

import (
	"log/slog"
	"sync"
)

// reportRefused returns the function that logs the first change of the cache that Redis refuses
// for good; nil without a Logger. Stats counts all of them.
func (c *Cache[K, V]) reportRefused() func(key string, err error) {
	log := c.backend.cfg.Logger
	if log == nil {
		return nil
	}
	var once sync.Once
	return func(key string, err error) {
		once.Do(func() {
			log.Warn("strata: Redis refuses a change of a cache, which is not retried any more; Stats().PendingRefused counts them",
				slog.String("cache", c.name), slog.String("key", key), slog.Any("error", err))
		})
	}
}
