package flight

import "context"

// BeginAside is Begin for work that callers of Begin must not join, since they can get the
// value without it. Such calls are joined by other calls of BeginAside, and forgotten,
// blocked and closed with the others.
//
// A caller that does not call Wait keeps the work running: then only Close ends it.
func (g *Group[T]) BeginAside(ctx context.Context, key string) (c *Call[T], lead bool) {
	return g.begin(ctx, key, true)
}
