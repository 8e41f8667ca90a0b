package strata

import (
	"context"
	"slices"
	"sync"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// DeleteTexts invalidates values of several caches in every process. texts has the texts of
// ids by the name of their cache: see Cache.Text. All caches are written to at once, so that
// it takes about the time of one Cache.Delete, or with a hold of one Cache.DeleteOlder, and
// fails as they do. It is for code that treats all caches alike, such as package invalidate.
//
// A cache that the backend does not have is an error that wraps store.ErrNotFound; the
// others are written to.
func (b *Backend) DeleteTexts(ctx context.Context, hold store.Hold, texts map[string][]string) error {
	var names []string
	for name := range texts {
		names = append(names, name)
	}
	return b.eachCache("delete", names, func(name string, c counted) error {
		if hold.For > 0 {
			return c.DeleteHolding(ctx, hold, texts[name]...)
		}
		return c.Delete(ctx, texts[name]...)
	})
}

// ClearCaches invalidates all values of the caches with these names in every process, or of
// all caches of the backend if there is no name: see Cache.Clear. A cache that the backend
// does not have is an error that wraps store.ErrNotFound; the others are cleared.
func (b *Backend) ClearCaches(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		names = b.cacheNames()
	}
	return b.eachCache("clear", names, func(_ string, c counted) error { return c.Clear(ctx) })
}

func (b *Backend) cacheNames() (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, c := range b.caches {
		if _, ok := c.(counted); ok {
			names = append(names, name)
		}
	}
	return names
}

// eachCache calls write for the caches with these names, concurrently, so that their
// commands share a round trip.
func (b *Backend) eachCache(op string, names []string, write func(name string, c counted) error) error {
	if b.isClosed() {
		return &store.Error{Store: "strata", Op: op, Err: store.ErrClosed}
	}
	slices.Sort(names)
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		c, err := b.named(op, name)
		if err != nil {
			errs[i] = err
			continue
		}
		wg.Go(func() { errs[i] = write(name, c) })
	}
	wg.Wait()
	return oneline.Join(errs...)
}
