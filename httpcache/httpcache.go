// Package httpcache is a shared HTTP cache (RFC 9111) as net/http middleware. It keeps
// responses in a strata cache: in memory, and in Redis for all processes.
//
//	b, err := strata.Open(ctx, &strata.Config{RedisURL: "redis://localhost:6379"})
//	pages, err := httpcache.New(b, "pages", nil)
//	http.ListenAndServe(":8080", pages.Middleware(mux))
//
// Handlers say what may be stored, by Cache-Control and the other fields of RFC 9111, or by
// [SetTTL], [SetTags] and [NoStore]. A response that says nothing is not stored.
//
// Concurrent requests for a URL that is not stored wait for one call of the handler, in all
// processes. They share its response only if it is stored: otherwise each request calls
// the handler itself, as soon as the header of the first response shows that.
//
// docs/httpcache.md describes what is stored and served, and how the key of a request is
// made.
package httpcache

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A Cache stores responses. All methods are safe for concurrent use.
type Cache struct {
	name    string
	opts    Options
	backend *strata.Backend
	cache   *strata.Cache[string, page] // records
	tiers   *layered.Store[any]
	pass    passes

	softMu    sync.Mutex
	softKnown atomic.Pointer[softLog] // the last one that was parsed
}

// New returns a cache. name must be unique in the backend; it is part of the keys in Redis, and
// identifies the cache in Cache-Status (RFC 9211). o may be nil. Processes that share a
// Redis must use the same Options.
func New(b *strata.Backend, name string, o *Options) (*Cache, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("httpcache: cache %q: %w", name, err)
	}
	records, err := strata.New[string, page](b, name, nil, &strata.Options[string, page]{
		Codec:       recordCodec{},
		Schema:      recordSchema,
		Jitter:      -1,
		LoadTimeout: fillTimeout,
		RetryAfter:  -1, // stale-if-error says when a failed handler is called again: always
	})
	if err != nil {
		return nil, fmt.Errorf("httpcache: cache %q: %w", name, err)
	}
	c := &Cache{name: statusName(name), opts: opts, backend: b, cache: records, tiers: records.Tiers()}
	c.pass.window = opts.PassFor
	return c, nil
}

// fillTimeout is how long a handler may take for a response that is to be stored. A response
// that takes longer reaches its client, and is not stored.
const fillTimeout = time.Minute

// Stats returns counters of the cache of responses: see [strata.Cache].
func (c *Cache) Stats() layered.Counts { return c.cache.Stats() }

// Close waits for background refreshes and closes the cache. Requests then call their handlers.
func (c *Cache) Close() error { return c.cache.Close() }

// Middleware returns a handler that answers requests from the cache, and calls next for
// the others. It is Route with the zero Route.
func (c *Cache) Middleware(next http.Handler) http.Handler { return c.Route(Route{})(next) }

// get returns the entry that the tiers have under id, fresh or stale, or nil.
func (c *Cache) get(ctx context.Context, id string) *store.Entry[any] {
	if l, ok := c.tiers.Lookup(ctx, id); ok {
		if e := l.Entry(); !e.Absent {
			return e
		}
		return nil
	}
	e, err := c.tiers.Get(ctx, id)
	if err != nil || e.Absent {
		return nil // a failure of Redis costs a call of the handler
	}
	return &e
}
