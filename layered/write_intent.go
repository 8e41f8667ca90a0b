package layered

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// A WriteIntent is a change of the source in progress. See [Store.BeginWrite].
type WriteIntent[T any] struct {
	store   *Store[T]
	token   uint64
	keys    []string
	moments []moment // of the keys, without an L2: see localIntents
}

// BeginWrite declares that the source is about to change:
//
//	b, err := s.BeginWrite(ctx, 10*time.Second, "k")
//	// change the source and commit
//	err = b.Commit(ctx)
//
// From then on readers load, and the values are kept for hold at most. If this process dies
// at any point, also during its commit, no value from before the change outlives hold, which
// must be longer than the change can take. Write intents of several processes may overlap.
//
// If BeginWrite fails, there is no write intent. The caller may still change the source and
// then call Delete, with the guarantees of Delete alone. Without an L2, a crash leaves
// nothing behind: BeginWrite and Commit are Delete. An L2 that is no [store.Writer] is an
// error that is errors.ErrUnsupported.
func (s *Store[T]) BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (*WriteIntent[T], error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys))) // a key that is given twice ends once
	b := &WriteIntent[T]{store: s, keys: keys}
	if !s.hasL2 {
		if err := b.beginLocal(ctx, hold); err != nil {
			return nil, err
		}
		return b, nil
	}
	l2, err := s.intentWriter("begin write")
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, "begin write", keys, func() (err error) {
		b.token, err = l2.BeginWrite(ctx, hold, keys...)
		s.ownHolds.add(store.Hold{For: hold}, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *WriteIntent[T]) beginLocal(ctx context.Context, hold time.Duration) error {
	s := b.store
	for _, key := range b.keys {
		s.localIntents.begin(key, hold)
	}
	if err := s.Delete(ctx, b.keys...); err != nil {
		b.forgetLocal()
		return err
	}
	for _, key := range b.keys {
		b.moments = append(b.moments, s.localIntents.moment(key))
	}
	return nil
}

// Commit ends the write intent, whether the source was changed or not. It removes everywhere
// what was loaded since BeginWrite. A failed Commit is retried like a failed Delete.
func (b *WriteIntent[T]) Commit(ctx context.Context) error { return b.CommitSet(ctx, nil) }

// CommitSet is Commit that keeps entries, the current values of the source. An entry is kept
// only if no other caller has written its key, or called BeginWrite for it, since this
// BeginWrite: two writers cannot leave the value of the one that committed first. The other
// keys of the write intent are removed, also those of entries that the function of
// [Store.Completing] refuses.
func (b *WriteIntent[T]) CommitSet(ctx context.Context, entries map[string]store.Entry[T]) error {
	s := b.store
	entries, refused := s.givenAll("end write", entries)
	return oneline.Join(store.NewManyError(refused), b.end(ctx, entries))
}

func (b *WriteIntent[T]) end(ctx context.Context, entries map[string]store.Entry[T]) error {
	s := b.store
	if !s.hasL2 {
		defer b.forgetLocal()
		return s.write(ctx, "end write", b.keys, func() error { return b.endLocal(ctx, entries) })
	}
	l2, err := s.intentWriter("end write")
	if err != nil {
		return err
	}
	return s.write(ctx, "end write", b.keys, func() error { return l2.EndWrite(ctx, b.token, entries, b.keys...) })
}

func (b *WriteIntent[T]) forgetLocal() {
	for _, key := range b.keys {
		b.store.localIntents.end(key)
	}
}

func (b *WriteIntent[T]) endLocal(ctx context.Context, entries map[string]store.Entry[T]) error {
	s := b.store
	errs := make(map[string]error)
	for i, key := range b.keys {
		err := s.dropL1(ctx, key)
		if e, ok := entries[key]; ok && err == nil {
			s.localIntents.set(key, b.moments[i], func() { err = s.setL1(ctx, key, e) })
		}
		if err != nil {
			errs[key] = err
		}
	}
	return store.NewManyError(errs)
}

// DeleteHolding is Delete for a source that is read from a replica, which may lag by h.For: a
// value loaded within that time is kept for the rest of it. A value loaded with h.Revision, if
// that is not zero, or with a newer one, is kept for its full life.
func (s *Store[T]) DeleteHolding(ctx context.Context, h store.Hold, keys ...string) error {
	l2, err := s.intentWriter("delete holding")
	if err != nil {
		return err
	}
	return s.write(ctx, "delete", keys, func() error {
		err := l2.DeleteHolding(ctx, h, keys...)
		s.ownHolds.add(h, keys) // after an error, too: the replica lags nevertheless
		return err
	})
}

// MarkStale makes the entries under keys stale in L2 and drops the copies in L1. The next
// read loads, with the old value as the fallback if the source fails. Without an L2 that is a
// [store.Writer] it returns an error that is errors.ErrUnsupported.
func (s *Store[T]) MarkStale(ctx context.Context, keys ...string) error {
	l2, err := s.intentWriter("mark stale")
	if err != nil {
		return err
	}
	return s.write(ctx, "mark stale", keys, func() error { return l2.MarkStale(ctx, keys...) })
}

func (s *Store[T]) intentWriter(op string) (store.Writer[T], error) {
	if s.closed.Load() {
		return nil, s.errClosed(op, "")
	}
	l2, ok := s.l2.(store.Writer[T])
	if !ok {
		return nil, s.failed(op, "", errors.ErrUnsupported)
	}
	return l2, nil
}
