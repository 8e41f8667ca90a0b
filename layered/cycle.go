package layered

import (
	"context"

	"github.com/lokroom/strata/internal/flight"
)

// A loader that waits for a load that waits for the loader would wait until LoadTimeout.
// So each reader that is part of a load, from, notes the calls that it waits for, before
// their work begins. from is nil for other readers, which note nothing.

// begin is flights.Begin. It returns store.ErrCycle, or from.Waited must be called when the
// reader does not wait for c any more.
func (s *Store[T]) begin(ctx context.Context, from *flight.Node, key string) (c *call[T], lead bool, err error) {
	if err := s.flights.Own(from, key, false); err != nil {
		return nil, false, err
	}
	c, lead = s.flights.Begin(ctx, key)
	return c, lead, waitFrom(from, c, lead)
}

// beginAside is begin with flights.BeginAside.
func (s *Store[T]) beginAside(ctx context.Context, from *flight.Node, key string) (c *call[T], lead bool, err error) {
	if err := s.flights.Own(from, key, true); err != nil {
		return nil, false, err
	}
	c, lead = s.flights.BeginAside(ctx, key)
	return c, lead, waitFrom(from, c, lead)
}

// waitFrom notes that from waits for c. It leaves c if that is an error.
func waitFrom[T any](from *flight.Node, c *call[T], lead bool) error {
	if lead {
		from.WaitNew(c.Node())
		return nil
	}
	err := from.Wait(c.Node())
	if err != nil {
		c.Quit()
	}
	return err
}
