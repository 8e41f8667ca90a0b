package layered

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
)

// A Bracket is a change of the source that is under way. See [Store.BeginWrite].
type Bracket[T any] struct {
	store *Store[T]
	token uint64
	keys  []string
}

// BeginWrite opens a bracket around a change of the source:
//
//	b, err := s.BeginWrite(ctx, 10*time.Second, "k")
//	// change the source and commit
//	err = b.Done(ctx)
//
// From here on readers load, and what they load is kept for hold at most. So if this
// process dies anywhere in between, even with its commit under way, no value from
// before the change outlives hold, which must be longer than the change can take.
// Brackets of several processes may overlap.
//
// If BeginWrite fails, no bracket is open; to change the source all the same, and
// then call Delete, gives up no more than what a Delete alone does. Without an L2
// there is nothing that a crash could leave behind: BeginWrite and Done are Delete.
// An L2 that is no [store.Bracketer] is an error that is errors.ErrUnsupported.
func (s *Store[T]) BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (*Bracket[T], error) {
	b := &Bracket[T]{store: s, keys: keys}
	if !s.hasL2 {
		return b, s.Delete(ctx, keys...)
	}
	l2, err := s.bracketer("begin write")
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, "begin write", keys, func() (err error) {
		b.token, err = l2.BeginWrite(ctx, hold, keys...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Done closes the bracket, whether the source was changed or not: what was loaded
// since it was opened is removed everywhere. A failed Done is tried again like a
// failed Delete.
func (b *Bracket[T]) Done(ctx context.Context) error { return b.DoneSet(ctx, nil) }

// DoneSet is Done that keeps entries, which are the values that the source has now.
// Each is kept only if nobody else has written its key, or begun to, since the
// bracket was opened: then two writers cannot leave the value of the one that
// committed first. The other keys of the bracket are removed. If an entry is refused by
// the function of [Store.Completing], DoneSet does nothing.
func (b *Bracket[T]) DoneSet(ctx context.Context, entries map[string]store.Entry[T]) error {
	s := b.store
	entries, refused := s.givenAll("end write", entries)
	if err := store.NewManyError(refused); err != nil {
		return err
	}
	if !s.hasL2 {
		if err := s.Delete(ctx, b.keys...); err != nil || len(entries) == 0 {
			return err
		}
		return s.setMany(ctx, entries)
	}
	l2, err := s.bracketer("end write")
	if err != nil {
		return err
	}
	return s.write(ctx, "end write", b.keys, func() error { return l2.EndWrite(ctx, b.token, entries, b.keys...) })
}

// DeleteHolding is Delete for a source that is read from a replica, which may be as
// far behind as hold: for that time what is loaded is kept for what is left of it.
func (s *Store[T]) DeleteHolding(ctx context.Context, hold time.Duration, keys ...string) error {
	return s.DeleteOlder(ctx, hold, 0, keys...)
}

// DeleteOlder is DeleteHolding after a change that has made revision: what is loaded
// with that Revision, or a newer one, is kept for its full life at once.
func (s *Store[T]) DeleteOlder(ctx context.Context, hold time.Duration, revision uint64, keys ...string) error {
	l2, err := s.bracketer("delete holding")
	if err != nil {
		return err
	}
	return s.write(ctx, "delete", keys, func() error { return l2.DeleteOlder(ctx, hold, revision, keys...) })
}

// MarkStale makes the entries under keys stale in L2 and drops the copies in L1: the
// next read loads, and has the old value to fall back on if the source fails.
// Without an L2 that is a [store.Staler] it is an error that is errors.ErrUnsupported.
func (s *Store[T]) MarkStale(ctx context.Context, keys ...string) error {
	if s.closed.Load() {
		return s.errClosed("mark stale", first(keys))
	}
	l2, ok := s.l2.(store.Staler)
	if !ok {
		return s.failed("mark stale", "", errors.ErrUnsupported)
	}
	return s.write(ctx, "mark stale", keys, func() error { return l2.MarkStale(ctx, keys...) })
}

func (s *Store[T]) bracketer(op string) (store.Bracketer[T], error) {
	if s.closed.Load() {
		return nil, s.errClosed(op, "")
	}
	l2, ok := s.l2.(store.Bracketer[T])
	if !ok {
		return nil, s.failed(op, "", errors.ErrUnsupported)
	}
	return l2, nil
}
