package layered

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/retry"
	"github.com/lokroom/strata/store"
)

// This file makes writes of this process again. The retry queue holds keys with a write that
// L2 has not acknowledged: they are deleted from L2 until it has, and loaded from the source
// until then. The recent-write log has those that L2 may lose in a failover.

// errQueued is why L2 is not read for a key.
var errQueued = fmt.Errorf("%w: a change of this process has not reached L2 yet", store.ErrUnavailable)

// unread is the error of a read of key that was not sent to L2, because key is queued or ctx
// has ended.
func (s *Store[T]) unread(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return s.failed("get", key, context.Cause(ctx))
	}
	return s.failed("get", key, errQueued)
}

// enqueue queues b to be deleted from L2.
func (s *Store[T]) enqueue(b retry.Batch) {
	if !mutant.NoRetryQueue.Load() {
		s.retryQueue.Add(b)
	}
}

// A longQueue is what was reported of a long retry queue, by the goroutine of the queue.
type longQueue struct{ at time.Time } // of the last report; zero: it is not long

// The retry queue is long from so many keys, or after so long.
const (
	longKeys   = 1000
	longFor    = 10 * time.Second
	reportEach = time.Minute
)

// retryQueued is deleteAgain that reports a long queue to Options.RetryQueueLong.
func (s *Store[T]) retryQueued(ctx context.Context, b retry.Batch) (open retry.Batch, err error) {
	open, err = s.deleteAgain(ctx, b)
	if s.opts.RetryQueueLong == nil {
		return open, err
	}
	n, oldest := s.retryQueue.Counts()
	switch long := n < 0 || n >= longKeys || oldest >= longFor; {
	case err == nil && !s.long.at.IsZero():
		s.long.at = time.Time{}
		s.opts.RetryQueueLong(0, oldest, nil)
	case err != nil && long && (s.long.at.IsZero() || time.Since(s.long.at) >= reportEach):
		s.long.at = time.Now()
		s.opts.RetryQueueLong(n, oldest, err)
	}
	return open, err
}

// deleteAgain deletes b, which is queued, from L2. It returns what must be deleted again, and
// the first error of that.
func (s *Store[T]) deleteAgain(ctx context.Context, b retry.Batch) (open retry.Batch, err error) {
	if b.All {
		m := s.recentWrites.Moment()
		cerr := store.Clear(ctx, s.l2)
		if open.All = !s.tried(cerr, "", &err); !open.All {
			s.changedAll(m)
			s.changedLate(ctx, nil, cerr)
		}
	}
	for _, pattern := range b.Patterns {
		m := s.recentWrites.Moment()
		_, perr := store.DeletePattern(ctx, s.l2, pattern)
		if s.tried(perr, pattern, &err) {
			s.changedAll(m)
			s.changedLate(ctx, nil, perr)
		} else {
			open.Patterns = append(open.Patterns, pattern)
		}
	}
	if len(b.Names) > 0 {
		open.Names = s.deleteKeysAgain(ctx, b.Names, &err)
	}
	return open, err
}

// deleteKeysAgain is deleteAgain for ks.
func (s *Store[T]) deleteKeysAgain(ctx context.Context, ks []string, err *error) (open []string) {
	m := s.recentWrites.Moment()
	failed := store.ByKey[string](s.l2.Delete(ctx, ks...))
	var made []string
	for _, key := range ks {
		kerr := failed(key)
		switch {
		case !s.tried(kerr, key, err):
			open = append(open, key)
		case store.OutcomeOf(kerr) == store.Made:
			made = append(made, key)
		}
	}
	if len(made) > 0 {
		s.changed(m, made)
		s.changedLate(ctx, made, nil)
	}
	return open
}

// tried reports whether a queued write is done after err. A refused one is counted and
// reported to the Observer and Options.Refused; otherwise err becomes the first error.
func (s *Store[T]) tried(err error, key string, first *error) bool {
	switch store.OutcomeOf(err) {
	case store.Open:
		*first = cmp.Or(*first, err)
		return false
	case store.Refused:
		s.retryQueue.Refuse(err)
		_, end := store.Observe(context.Background(), s.opts.Observer, store.Op{Store: "layered", Cache: s.opts.Name, Name: "retry", Key: key, Keys: 1})
		end(0, err)
		if s.opts.Refused != nil {
			s.opts.Refused(key, err)
		}
	}
	return true
}

// changedLate calls Options.Changed for a queued write that L2 has executed. Errors are left
// to that function.
func (s *Store[T]) changedLate(ctx context.Context, ks []string, err error) {
	if store.OutcomeOf(err) == store.Made {
		_ = s.notifyChanged(ctx, "delete", ks, nil)
	}
}

// Refused returns the number of writes that L2 permanently refused and that left the retry
// queue, and the last error.
func (s *Store[T]) Refused() (n uint64, last error) { return s.retryQueue.Refused() }

// flushFor is how long Close retries.
const flushFor = time.Second

// flush ends the retries after flushFor. If the queue is not empty then, its writes are lost,
// and the error is store.ErrUnavailable.
func (s *Store[T]) flush() error {
	empty, err := s.retryQueue.Close(flushFor)
	if empty {
		return nil
	}
	what := "a Clear"
	if n, _ := s.retryQueue.Counts(); n >= 0 {
		what = fmt.Sprintf("the changes of %d keys", n)
	}
	if errors.Is(err, store.ErrUnavailable) {
		err = fmt.Errorf("L2 has not received %s: %w", what, err)
	} else {
		err = fmt.Errorf("%w: L2 has not received %s: %w", store.ErrUnavailable, what, cmp.Or(err, errNoTry))
	}
	return s.failed("close", "", err)
}

// errNoTry is the error if no retry was possible.
var errNoTry = errors.New("no time was left to try")

// changed notes that ks were changed in L2 since the moment m.
func (s *Store[T]) changed(m uint64, ks []string) {
	if len(ks) > 0 && !s.recentWrites.Add(m, ks, false) {
		s.enqueue(retry.Batch{Names: ks}) // L2 was possibly replaced before it received them, or after
	}
}

// changedAll is changed for all keys.
func (s *Store[T]) changedAll(m uint64) {
	if !s.recentWrites.Add(m, nil, true) {
		s.enqueue(retry.Batch{All: true})
	}
}

// rolledBack is called when L2 possibly lost changes of this process. These keys are deleted
// from it again, and loaded from the source until that is done.
func (s *Store[T]) rolledBack() {
	s.conn.rollBack()
	b := s.recentWrites.Replay()
	if mutant.NoReplay.Load() || b.Empty() {
		return
	}
	s.enqueue(b)
	s.count.replayed.Add(uint64(max(1, len(b.Names))))
}

// connectionChanged is called when L2 is connected or disconnected.
func (s *Store[T]) connectionChanged(connected bool) {
	s.recentWrites.Connected(connected)
	s.conn.setConnected(connected)
	if connected {
		s.retryQueue.Wake()
	}
}
