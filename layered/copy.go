package layered

import (
	"context"

	"github.com/lokroom/strata/internal/flight"
)

// result waits for the result of c, as [flight.Call.Wait] does. With Options.Copy each of
// several who wait gets a value of his own.
func (s *Store[T]) result(ctx context.Context, c *call[T]) (Found[T], error) {
	f, err := c.Wait(ctx)
	if err != nil || c.Alone() {
		return f, err
	}
	return s.own(f)
}

// own gives f a value that nobody else has, if Options.Copy can.
func (s *Store[T]) own(f Found[T]) (_ Found[T], err error) {
	if s.opts.Copy != nil {
		defer flight.Catch("Options.Copy", &err)
		f.Value, err = s.opts.Copy(f.Value)
	}
	return f, err
}
