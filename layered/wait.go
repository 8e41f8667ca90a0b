package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// join leads the flight of key, or joins it if it is in flight. It takes a result that was
// read before this call only if that was proven to be still true: a change may have been
// acknowledged to its writer in between. Otherwise it begins again, with a later flight.
//
// It is fly for one key, without the lists.
func (s *Store[T]) join(ctx context.Context, key string, l Lookup[T], src Source[T], strict bool) (f Found[T], err error) {
	if err := s.gone(ctx, key); err != nil {
		return f, err
	}
	began := s.moment.Load()
	from := flight.NodeOf(ctx)
	for {
		c, lead, err := s.begin(ctx, from, key)
		if err != nil {
			return f, err
		}
		if lead {
			one := [1]item[T]{{key: key, c: c, look: l}}
			s.lead(ctx, src, one[:], strict)
			if ended, err := s.leaderEnds(ctx, from, &one[0], &f); ended {
				c.Free()
				return f, err
			}
		}
		again, err := s.outcome(ctx, c, from, &f, began, strict, lead)
		if !again {
			return f, err
		}
		if strict {
			continue
		}
		var ok bool
		if l, ok = s.Lookup(ctx, key); ok {
			return Found[T]{Entry: *l.entry, Tier: L1}, l.entry.MissError()
		}
	}
}

// leaderEnds reports whether a reader that has led it need not wait: its call has ended with
// what L2 has, which it sets f to, or its context was cancelled during the read.
func (s *Store[T]) leaderEnds(ctx context.Context, from *flight.Node, it *item[T], f *Found[T]) (ends bool, err error) {
	switch {
	case it.settled:
		from.Waited(it.c.Node())
		*f = it.found()
		return true, f.MissError()
	case it.cut && errors.Is(ctx.Err(), context.Canceled):
		from.Waited(it.c.Node())
		it.c.Quit()
		*f = Found[T]{}
		return true, s.gone(ctx, it.key)
	}
	return false, nil
}

// outcome waits for c, which a read that began at the moment began has joined, or leads, and
// sets f to the result. again means that the read must begin again.
func (s *Store[T]) outcome(ctx context.Context, c *call[T], from *flight.Node, f *Found[T], began uint64, strict, lead bool) (again bool, err error) {
	defer from.Waited(c.Node())
	if !lead && s.leavesOvertaken(ctx, c) {
		return true, nil
	}
	if !lead {
		_, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: store.OpWait, Key: c.Key(), Keys: 1})
		defer func() { end(0, err) }()
		s.count.shared.Add(1) // last: when it is counted, the Observer knows
	}
	late, again, err := s.await(ctx, c, f, began, strict, lead)
	switch {
	case again:
	case errors.Is(err, flight.ErrClosed):
		err = s.errClosed("get", c.Key())
	case lead, late, s.holds(f, began) && !(strict && f.Stale && f.Cause == nil):
	case !strict && f.kept && len(f.Tags) == 0:
		f.Tier = L1
	default:
		return true, nil
	}
	return again, err
}

// gone returns the error of a read of key that L1 cannot answer, with a context that had ended
// before: nothing is started for it.
func (s *Store[T]) gone(ctx context.Context, key string) error {
	if ctx.Err() == nil {
		return nil
	}
	return s.failed("get", key, &flight.ContextError{Cause: context.Cause(ctx)})
}

// holds reports whether f, the result of another caller, was true after the moment began. A
// result without a moment is an error, or flagged as stale.
func (s *Store[T]) holds(f *Found[T], began uint64) bool {
	return f.proven || f.asOf == 0 || f.asOf > began || mutant.OldJoin.Load()
}
