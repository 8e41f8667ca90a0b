package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/store"
)

// Set keeps e in L2 and drops the copy in L1; without an L2 it keeps e in L1. An entry
// without an expiry lives until evicted.
//
// If it fails because L2 is unreachable, other processes may serve the old value. This
// process has dropped its copy, deletes the key from L2 as soon as possible, and loads it
// from the source until then.
func (s *Store[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	e, err := s.given("set", key, e)
	if err != nil {
		return err
	}
	return s.write(ctx, "set", []string{key}, func() error {
		if !s.hasL2 {
			return s.setL1(ctx, key, e)
		}
		return s.l2.Set(ctx, key, e)
	})
}

// SetMany sets every entry as Set does, in one exchange where L2 can.
func (s *Store[T]) SetMany(ctx context.Context, entries map[string]store.Entry[T]) error {
	entries, refused := s.givenAll("set", entries)
	return withRefused(refused, entries, s.setMany(ctx, entries))
}

func (s *Store[T]) setMany(ctx context.Context, entries map[string]store.Entry[T]) error {
	ks := make([]string, 0, len(entries))
	for key := range entries {
		ks = append(ks, key)
	}
	return s.write(ctx, "set many", ks, func() error {
		if s.hasL2 {
			return store.SetMany(ctx, s.l2, entries)
		}
		errs := make(map[string]error)
		for key, e := range entries {
			if err := s.setL1(ctx, key, e); err != nil {
				errs[key] = err
			}
		}
		return store.NewManyError(errs)
	})
}

// Delete removes the entries under keys from both tiers. See Set for failures.
func (s *Store[T]) Delete(ctx context.Context, keys ...string) error {
	return s.write(ctx, "delete", keys, func() error {
		if !s.hasL2 {
			return s.dropAll(ctx, keys)
		}
		return s.l2.Delete(ctx, keys...)
	})
}

// DeleteAndWait is Delete that returns when no process serves the deleted values from its
// memory as current: a process that has not received the invalidation by then knows that it
// is disconnected. (See Options.StaleFor for stale values.) It takes 1.1 times
// Options.MaxDisconnected, which must be equal in all processes. If ctx ends first, the
// entries are deleted, and the error is that of ctx.
func (s *Store[T]) DeleteAndWait(ctx context.Context, keys ...string) error {
	if err := s.Delete(ctx, keys...); err != nil || !s.watched {
		return err
	}
	span := max(s.opts.MaxDisconnected, 0)
	if s.maxStale > 0 {
		span = s.maxStale
	}
	t := time.NewTimer(span * 11 / 10)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return s.failed("delete and wait", first(keys), context.Cause(ctx))
	}
}

// write runs f, which changes ks, so that no read or load that began before its end leaves an
// older value behind. While f runs, loads are not kept. Loads that were being kept are waited
// for, and later L1 refuses older reads. If ctx has ended, f does not run.
func (s *Store[T]) write(ctx context.Context, op string, ks []string, f func() error) error {
	if s.closed.Load() {
		return s.errClosed(op, first(ks))
	}
	var keeping []<-chan struct{}
	for _, key := range ks {
		keeping = append(keeping, s.flights.Block(key)...)
	}
	defer func() {
		for _, key := range ks {
			s.flights.Unblock(key)
		}
	}()
	before, m := s.retryQueue.Last(), s.recentWrites.Moment()
	err := wait(ctx, keeping)
	if err != nil {
		err = s.failed(op, first(ks), err)
	} else {
		s.localIntents.wrote(ks)
		err = s.named(f())
	}
	return s.wrote(ctx, op, ks, m, before, err)
}

// wrote completes a write that returned err, for each of ks by its outcome: see
// [store.OutcomeOf]. A refused write changes nothing, except that L1 drops a key that was to
// be deleted.
func (s *Store[T]) wrote(ctx context.Context, op string, ks []string, m, before uint64, err error) error {
	made, open, gone := ks, []string(nil), ks
	if err != nil {
		made, open, gone = outcomes(op, ks, err)
	}
	changed := made
	if len(open) > 0 {
		changed = append(made[:len(made):len(made)], open...)
	}
	if op != "expire" { // it changes no value
		if replaces(op) {
			s.retryQueue.Forget(made, before)
		}
		s.count.ownChanges.Add(uint64(len(changed)))
		s.changed(m, changed)
		if s.hasL2 && len(open) > 0 && op != opSetIfAbsent {
			s.enqueue(retry.Batch{Names: open})
		}
	}
	if (s.hasL2 || err != nil) && !mutant.NoPostStep.Load() { // after an error, too: it is unknown what L2 has
		if l1err := s.dropAll(ctx, gone); err == nil {
			err = s.named(l1err)
		}
	}
	if len(changed) == 0 {
		return err
	}
	return s.notifyChanged(ctx, op, changed, err)
}

// outcomes sorts ks by the outcome of an operation that returned err: changed, unknown, and
// keys that L1 must drop.
func outcomes(op string, ks []string, err error) (made, open, gone []string) {
	of := store.ByKey[string](err)
	for _, key := range ks {
		outcome := store.OutcomeOf(of(key))
		switch outcome {
		case store.Made:
			made = append(made, key)
		case store.Open:
			open = append(open, key)
		}
		if outcome != store.Refused || op == "delete" {
			gone = append(gone, key)
		}
	}
	return made, open, gone
}

// opSetIfAbsent is the operation of SetIfAbsent. Its failures are not queued: a retry deletes
// the key, with what another process may have set.
const opSetIfAbsent = "set if absent"

// replaces reports whether a successful operation replaces what L2 had before, so that a
// queued write of the key is done.
func replaces(op string) bool { return op != "mark stale" && op != "set newer" }

// notifyChanged calls Options.Changed for ks after the operation op, which returned err. It
// returns the error for the caller.
func (s *Store[T]) notifyChanged(ctx context.Context, op string, ks []string, err error) error {
	if s.opts.Changed == nil || op == "expire" {
		return err
	}
	cerr := s.callChangedHook(ctx, ks)
	switch {
	case err != nil || cerr == nil:
		return err
	case inPlaceOfLoader(cerr):
		return s.failed(op, first(ks), cerr)
	}
	return s.named(cerr)
}

func (s *Store[T]) callChangedHook(ctx context.Context, ks []string) (err error) {
	defer flight.Catch("Options.Changed", &err)
	return s.opts.Changed(ctx, ks)
}

// wait waits for all of keeping. It fails if ctx ends first, or has ended.
func wait(ctx context.Context, keeping []<-chan struct{}) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, k := range keeping {
		select {
		case <-k:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// setL1 puts e into L1 where there is no L2.
func (s *Store[T]) setL1(ctx context.Context, key string, e store.Entry[T]) error {
	e = s.forL1(token{epoch: noEpoch}, e)
	var err error
	e.Stamp = s.opts.Tags.now()
	s.fence.Invalidate(key, func() { err = s.l1.Set(ctx, key, e) })
	return err
}

func (s *Store[T]) dropAll(ctx context.Context, ks []string) error {
	var err error
	for _, key := range ks {
		if e := s.dropL1(ctx, key); e != nil {
			err = e
		}
	}
	return err
}

// first returns the only key, for an error to name, or "".
func first(ks []string) string {
	if len(ks) == 1 {
		return ks[0]
	}
	return ""
}

// Clear removes every entry of the tiers. Entries of other stores in the same L2 remain.
func (s *Store[T]) Clear(ctx context.Context) error {
	return s.writeAll(ctx, "clear", func() { s.enqueue(retry.Batch{All: true}) }, func() error {
		if s.hasL2 {
			return store.Clear(ctx, s.l2)
		}
		return nil
	})
}

// DeletePattern removes the entries with keys that match pattern from L2, and returns their
// number. It removes all entries from L1, which are read again on demand. Without an L2 it
// removes matching entries from L1.
func (s *Store[T]) DeletePattern(ctx context.Context, pattern string) (int, error) {
	var n int
	err := s.writeAll(ctx, "delete pattern", func() { s.enqueue(retry.Batch{Patterns: []string{pattern}}) }, func() (err error) {
		t := s.l2
		if !s.hasL2 {
			t = s.l1
		}
		n, err = store.DeletePattern(ctx, t, pattern)
		return err
	})
	return n, err
}

// writeAll runs f, which removes any keys from L2, and clears L1. open queues the write for a
// retry.
func (s *Store[T]) writeAll(ctx context.Context, op string, open func(), f func() error) error {
	if s.closed.Load() {
		return s.errClosed(op, "")
	}
	// Loads that begin from here on see the current source, and may be kept.
	err := wait(ctx, s.flights.ForgetAll())
	defer s.flights.ForgetAll() // later readers join no load that read L2 before f
	m := s.recentWrites.Moment()
	if err != nil {
		err = s.failed(op, "", err)
	} else {
		s.localIntents.wroteAll()
		err = s.named(f())
	}
	outcome := store.OutcomeOf(err)
	if outcome == store.Refused {
		return err
	}
	s.count.ownChanges.Add(1)
	s.changedAll(m)
	if s.hasL2 && outcome == store.Open {
		open()
	}
	if s.hasL2 || op == "clear" || err != nil { // else f has done all
		s.fence.InvalidateAll()
		if l1err := store.Clear(ctx, s.l1); err == nil {
			err = s.named(l1err)
		}
	}
	s.fence.Changed()
	return s.notifyChanged(ctx, op, nil, err)
}
