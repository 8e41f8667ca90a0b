package layered

import (
	"context"
	"errors"

	"github.com/lokroom/strata/layered/internal/fence"
	"github.com/lokroom/strata/store"
)

// This file alone decides whether L1 may keep a copy, and of which epoch and age it is.

// A token belongs to a read of L2. L1 may keep the result. See [fence.Token].
type token struct {
	fence.Token
	epoch  uint64     // the connection epoch of the copy
	readAt store.Time // when the token was taken, if copies age: see core.maxStale
}

// overtaken returns a token with which nothing is kept.
func (t token) overtaken() token {
	t.Token = t.Overtaken()
	return t
}

// token returns the token of a read of key. It must be taken before the read is sent to L2.
func (s *Store[T]) token(key string) token {
	var epoch uint64 = noEpoch
	if s.hasL2 {
		epoch = s.conn.epoch.Load()
	}
	m := token{Token: s.fence.Token(key), epoch: epoch}
	if s.maxStale > 0 {
		m.readAt = store.Now()
	}
	return m
}

// keepL1 keeps e in L1, and returns true, if nothing has overtaken the read of m.
func (s *Store[T]) keepL1(key string, m token, e store.Entry[T]) bool {
	kept := s.tryL1(key, m, e)
	if !kept {
		s.count.refused.Add(1)
	}
	return kept
}

// tryL1 is keepL1 that does not count a refusal.
func (s *Store[T]) tryL1(key string, m token, e store.Entry[T]) bool {
	e = s.forL1(m, e)
	wanted := s.wanted(key, &e)
	return s.fence.Keep(m.Token, func() { s.putL1(key, e, wanted) })
}

// wanted reports whether Options.KeepL1 lets L1 keep e.
func (s *Store[T]) wanted(key string, e *store.Entry[T]) (wanted bool) {
	if s.opts.KeepL1 == nil || !s.hasL2 || e.Absent {
		return true
	}
	protect(func() { wanted = s.opts.KeepL1(key, e.Value) }, func(error) { wanted = false })
	return wanted
}

// forL1 returns e with the fields that belong to a copy in L1.
func (s *Store[T]) forL1(m token, e store.Entry[T]) store.Entry[T] {
	e.RefreshAt = s.refreshAt(&e)
	if most := s.opts.L1TTL; most > 0 {
		if end := store.In(s.opts.jitter(most)); e.ExpiresAt == 0 || end < e.ExpiresAt {
			e.ExpiresAt = end
		}
	}
	e.Epoch = m.epoch
	if s.maxStale > 0 {
		e.CheckAt = m.readAt.Add(s.maxStale)
	}
	return e
}

// keepRead is keepL1 for what L2 has. If L1 refuses it only because the connection was lost
// meanwhile, it is kept as a suspect copy.
func (s *Store[T]) keepRead(key string, m token, e store.Entry[T]) bool {
	kept := s.keepL1(key, m, e)
	if !kept {
		s.keepSuspect(key, m, e)
	}
	return kept
}

// keepSuspect keeps e, which L1 has refused, as a suspect copy, and returns true, if it was
// refused only because the connection to L2 was lost: no invalidation of key has come since
// m was taken.
func (s *Store[T]) keepSuspect(key string, m token, e store.Entry[T]) bool {
	if e.StaleAt == 0 || s.opts.StrictStale || s.filler == nil {
		return false
	}
	if m.epoch != noEpoch {
		m.epoch = min(m.epoch, s.conn.epoch.Load()-1)
		if m.epoch == noEpoch { // the connection was never lost
			return false
		}
	}
	e = s.forL1(m, e)
	wanted := s.wanted(key, &e)
	return s.fence.KeepSuspect(m.Token, func() {
		if now, err := s.peek(context.Background(), key); err != nil || now.LoadedAt < e.LoadedAt {
			s.putL1(key, e, wanted)
		}
	})
}

// keepDisconnected keeps in L1 an entry that L2 could not take and does not watch. It is
// suspect after MaxDisconnected: see [Store.orSuspect]. It ends with the hold under which it was
// loaded, if that is one of this process.
func (s *Store[T]) keepDisconnected(key string, m token, e store.Entry[T]) {
	if end := s.ownHolds.end(key, e.LoadedAt, e.Revision); end != 0 {
		if end <= store.Now() {
			return
		}
		if e.ExpiresAt = shorter(e.ExpiresAt, end); e.StaleAt >= e.ExpiresAt {
			e.StaleAt = 0
		}
	}
	if s.watched {
		if s.opts.MaxDisconnected < 0 {
			return
		}
		end := e.LoadedAt.Add(s.opts.MaxDisconnected)
		if e.StaleAt == 0 || s.opts.StrictStale {
			e.ExpiresAt = shorter(e.ExpiresAt, end)
		} else {
			e.StaleAt = shorter(e.StaleAt, end)
		}
	}
	m.epoch = noEpoch
	if !s.keepL1(key, m, e) && e.StaleAt != 0 {
		e.StaleAt = e.LoadedAt // suspect at once
		s.keepSuspect(key, m, e)
	}
}

// filled keeps e in L1 after L2 was asked to keep it: it returned watched and err.
func (s *Store[T]) filled(ctx context.Context, key string, m token, e store.Entry[T], watched bool, err error) {
	switch {
	case err != nil:
		s.failedFill(err)
		s.keepDisconnected(key, m, e)
	case s.retryQueue.Has(key):
		// L2 had not received a change of this process when it kept e, or has rolled
		// back: e may be older than the change.
		_ = s.dropL1(ctx, key)
	case !watched:
		s.confirm(ctx, key, e)
	case !s.keepL1(key, m, e) && !s.keepSuspect(key, m, e):
		// L2 no longer watches what L1 may have had before the fill.
		_ = s.dropL1(ctx, key)
	}
}

// confirm keeps e in L1 if L2 still has it. It is for an L2 that kept e without watching it.
// L2 may push an invalidation of the fill itself, which makes L1 refuse the copy. That push
// comes before the first reply, so the second try succeeds.
func (s *Store[T]) confirm(ctx context.Context, key string, e store.Entry[T]) {
	for try := 0; try < 2 && s.filler != nil && e.Version != 0; try++ {
		m := s.token(key)
		now, err := s.filler.Revalidate(ctx, key, e)
		if err != nil && !errors.Is(err, store.ErrNotFound) && s.keepSuspect(key, m, e) {
			return
		}
		if err != nil {
			break
		}
		if s.tryL1(key, m, now) {
			return
		}
	}
	_ = s.dropL1(ctx, key) // in memory
}

// putL1 puts e into L1 if it is wanted there. If not, or if L1 cannot keep it, L1 has nothing
// under key afterwards, and the next read goes to L2.
func (s *Store[T]) putL1(key string, e store.Entry[T], wanted bool) {
	ctx := context.Background()
	if !wanted {
		_ = s.l1.Delete(ctx, key) // in memory
		return
	}
	err := s.l1.Set(ctx, key, e)
	if err == nil {
		return
	}
	_ = s.l1.Delete(ctx, key) // in memory
	if !s.hasL2 && unstorable(err) {
		s.count.unstorable.Add(1)
		_, end := store.Observe(ctx, s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: "fill", Key: key, Keys: 1})
		end(0, s.named(err))
	}
}

// dropL1 removes key from L1 and overtakes the reads of it that are in flight.
func (s *Store[T]) dropL1(ctx context.Context, key string) error {
	var err error
	s.fence.Invalidate(key, func() { err = s.l1.Delete(ctx, key) })
	return err
}

// dropCopy removes the copy of this version from L1, and reports whether it was there. It
// wakes no reader that waits for a change of key.
func (s *Store[T]) dropCopy(key string, version uint64) (here bool) {
	ctx := context.Background()
	s.fence.Overtake(key, func() {
		if now, err := s.peek(ctx, key); err == nil && now.Version == version {
			here = true
			_ = s.l1.Delete(ctx, key) // in memory
		}
	})
	return here
}

// unstorable reports whether err, of a write of L2 or L1, is about the value and not the
// tier: a retry would fail again.
func unstorable(err error) bool {
	return errors.Is(err, store.ErrUnstorable) || errors.Is(err, store.ErrTooLarge)
}

// failedFill counts a fill of L2 that failed with err.
func (s *Store[T]) failedFill(err error) {
	if unstorable(err) {
		s.count.unstorable.Add(1)
	} else {
		s.count.l2Errors.Add(1)
	}
}

// denied is called when L2 does not have seen, which L1 has under key; nil: nothing. It
// drops what L1 has, and returns true, unless L2 has lost its data and seen may be needed
// as a suspect copy.
func (s *Store[T]) denied(ctx context.Context, key string, seen *store.Entry[T]) bool {
	if seen == nil || !s.opts.StrictStale && seen.StaleAt != 0 && s.lostByL2(seen) {
		return false
	}
	_ = s.dropL1(ctx, key) // in memory
	return true
}
