package bypass

import (
	"context"
	"sync/atomic"
)

type strictKey struct{}

// replicas is set once a client reads from replicas, so that other programs skip the mark.
var replicas atomic.Bool

// UseReplicas says that there is a client that reads from replicas.
func UseReplicas() { replicas.Store(true) }

// Strict returns a context whose reads must not use replicas.
func Strict(ctx context.Context) context.Context {
	if !replicas.Load() {
		return ctx
	}
	return context.WithValue(ctx, strictKey{}, true)
}

// IsStrict reports whether reads with ctx must not use replicas.
func IsStrict(ctx context.Context) bool { return replicas.Load() && ctx.Value(strictKey{}) != nil }
