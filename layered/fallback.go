package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/store"
)

// FallBackFor answers a read with ctx that has ended with err by the value that def
// returns, if it returns one: it is flagged as stale, with err as its Cause and Default as
// its Tier, and kept in no tier. So the caller of Find has a last resort.
//
// def is not asked if the source has no value, if the store was closed, or if err is that
// of ctx: the source has not failed then. A loader that fails with a context error of its
// own while ctx goes on is a source that fails. The answer is counted.
func (s *Store[T]) FallBackFor(ctx context.Context, err error, def func(err error) (T, bool)) (f Found[T], ok bool) {
	if err == nil || errors.Is(err, store.ErrNotFound) || s.closed.Load() || endedWith(ctx, err) {
		return f, false
	}
	if f.Value, ok = def(err); !ok {
		return Found[T]{}, false
	}
	s.count.defaults.Add(1)
	f.Tier, f.Stale, f.Cause = Default, true, err
	return f, true
}

// endedWith reports whether ctx has ended, and err says so.
func endedWith(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// FallBack is FallBackFor where the context of the read is not known: def is not asked if
// err is context.Canceled or store.ErrClosed, wherever that comes from.
func (s *Store[T]) FallBack(err error, def func(err error) (T, bool)) (f Found[T], ok bool) {
	if errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
		return f, false
	}
	return s.FallBackFor(context.Background(), err, def)
}
