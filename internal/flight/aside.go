package flight

import "context"

// BeginAside is Begin for work that nobody who calls Begin is to join: that of a key
// which can be had without it. Calls aside are joined by other calls of BeginAside,
// and forgotten, blocked and closed together with the others.
//
// Who does not call Wait keeps the work going: it is then ended by Close alone.
func (g *Group[T]) BeginAside(ctx context.Context, key string) (c *Call[T], lead bool) {
	return g.begin(ctx, key, true)
}
