package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// FallBack answers a read that has ended with err by the value that def returns, if it
// returns one: it is flagged as stale, with err as its Cause and Default as its Tier, and
// kept in no tier. So the caller of Find has a last resort. def is not asked if err says
// that the source has no value, or that the caller's context was cancelled or the store
// closed. The answer is counted.
func (s *Store[T]) FallBack(err error, def func(err error) (T, bool)) (f Found[T], ok bool) {
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
		return f, false
	}
	if f.Value, ok = def(err); !ok {
		return Found[T]{}, false
	}
	s.count.defaults.Add(1)
	f.Tier, f.Stale, f.Cause = Default, true, err
	return f, true
}
