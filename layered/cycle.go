package layered

import (
	"context"

	"github.com/lokroom/strata/internal/flight"
)

// A loader that waits for a load that waits for the loader would wait until LoadTimeout.
// Each reader that is part of a load, from, therefore notes the calls that it waits for,
// before their work begins. from is nil for all other readers, who note nothing.

// begin is flights.Begin. Its error is store.ErrCycle. Else from.Waited must be called when
// the reader does not wait for c any more.
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

// beginMany is flights.BeginMany for the keys of q that which names, as begin is Begin. It
// answers the keys whose loads wait for from, and removes them from which.
func (s *Store[T]) beginMany(ctx context.Context, from *flight.Node, q *search[T], which []int) (left []int, calls []*call[T], leads []bool) {
	if from == nil {
		calls, leads = s.flights.BeginMany(ctx, q.keys, which)
		return which, calls, leads
	}
	own := which[:0]
	for _, i := range which {
		if err := s.flights.Own(from, q.keys[i], false); err != nil {
			q.fail(i, err)
		} else {
			own = append(own, i)
		}
	}
	calls, leads = s.flights.BeginMany(ctx, q.keys, own)
	n := 0
	for j, c := range calls {
		if err := waitFrom(from, c, leads[j]); err != nil {
			q.fail(own[j], err)
			continue
		}
		own[n], calls[n], leads[n] = own[j], c, leads[j]
		n++
	}
	return own[:n], calls[:n], leads[:n]
}
