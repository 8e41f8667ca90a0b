package flight

import "context"

// Do is the way of most tests through a Group. It returns the result of fn. shared reports whether another caller's fn did the work. If
// a call for key is in flight, Do joins it. Otherwise it runs fn on a new goroutine. The
// context of fn has the values of ctx, but not its deadline or cancellation. It is
// cancelled when all waiters have left. A caller leaves when its ctx is done, and gets a
// [*ContextError].
//
// fn passes the value to keep to [Call.Keep].
func (g *Group[T]) Do(ctx context.Context, key string, fn func(context.Context, *Call[T]) (T, error)) (value T, shared bool, err error) {
	c, lead := g.Begin(ctx, key)
	if lead {
		go c.Run(fn)
	}
	value, err = c.Wait(ctx)
	return value, !lead, err
}
