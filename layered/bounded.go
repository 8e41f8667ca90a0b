package layered

import (
	"context"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/flight"
)

// grace is how long a loader has to return when its context has ended.
const grace = 100 * time.Millisecond

// strays are calls of loaders that nobody waits for any more.
type strays struct{ sync.WaitGroup }

// ask calls a loader and returns what it returns, or a [*flight.ContextError] if ctx has
// ended and the loader does not return. A panic is an error like any other. leave is called when the loader
// has returned.
func ask[E any](ctx context.Context, away *strays, leave func(), load func() (E, error)) (E, error) {
	type result struct {
		e   E
		err error
	}
	done := make(chan result, 1)
	away.Go(func() {
		roomToAsk()
		flight.Protect(load, func(e E, err error) {
			leave()
			done <- result{e, err}
		})
	})
	select {
	case r := <-done:
		return r.e, r.err
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case r := <-done:
		return r.e, r.err
	case <-t.C:
		var none E
		return none, &flight.ContextError{Cause: context.Cause(ctx)}
	}
}
