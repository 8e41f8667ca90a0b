// Package bypass marks contexts whose reads must not use caches, such as those inside a
// transaction of the source.
package bypass

import (
	"context"
	"slices"
	"sync/atomic"
)

type key struct{}

// used is set once a context is marked, so that programs without marks skip the lookup.
var used atomic.Bool

// With returns a context whose reads must not use caches.
func With(ctx context.Context) context.Context {
	used.Store(true)
	return context.WithValue(ctx, key{}, true)
}

// Is reports whether reads with ctx must not use caches.
func Is(ctx context.Context) bool { return used.Load() && ctx.Value(key{}) != nil }

// A load is one that Enter has let begin.
type load struct {
	of    any
	keys  []string
	outer *load
}

type loadKey struct{}

// Enter returns a context for a loader that is called for keys of the cache of, for this
// reader alone. If a load that ctx belongs to is one of the same key, it would call itself
// without end: then ok is false, and cycle is the key.
func Enter(ctx context.Context, of any, keys []string) (inner context.Context, cycle string, ok bool) {
	outer, _ := ctx.Value(loadKey{}).(*load)
	for l := outer; l != nil; l = l.outer {
		if l.of != of {
			continue
		}
		for _, key := range keys {
			if slices.Contains(l.keys, key) {
				return ctx, key, false
			}
		}
	}
	return context.WithValue(ctx, loadKey{}, &load{of, keys, outer}), "", true
}
