package layered

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// A read need not wait until a load has ended, if there is something stale that it can
// be answered with. Whoever leads a flight and finds that offers it to all who wait for
// the flight. They take it when the load has taken longer than Options.SoftTimeout, or
// when they have less time left than a load takes as a rule. The load goes on then, also
// if nobody waits for it any more, so that the next read finds what it brings.

// offer lets those who wait for c have f, which was found behind L1, if it is stale.
func (s *Store[T]) offer(c *call[T], f *Found[T]) {
	if f.Tier != Source && f.Stale {
		c.Offer(*f)
	}
}

// await waits for c, which a read that began at the moment began has joined, or leads.
// late says that it did not wait until the end: f is stale then, with the reason. A strict
// read always does. again says that the read must begin again, and has left c: see
// [Store.joins].
func (s *Store[T]) await(ctx context.Context, c *call[T], began uint64, strict, lead bool) (f Found[T], late, again bool, err error) {
	j := joined{soft: !strict && s.impatient(ctx)}
	if !lead {
		s.joins(c, &j)
		defer j.stop()
	}
	for j.waits() {
		switch s.next(ctx, c, &j) {
		case isLate:
			j.soft = false
			if f, late = s.around(ctx, c, began); late {
				c.Detach()
				c.Quit()
				if f, err = s.own(c.Key(), f); err == nil {
					err = f.MissError()
				}
				return f, true, false, err
			}
		case isForgotten:
			j.forgotten = nil
			again = s.futile(c, began)
		case isOld:
			if again = s.passesBy(ctx, c); !again {
				j.again()
			}
		default:
			j = joined{timer: j.timer}
		}
		if again {
			return f, false, true, nil
		}
	}
	f, err = s.result(ctx, c)
	return f, false, false, err
}

func (s *Store[T]) impatient(ctx context.Context) bool {
	_, ends := ctx.Deadline()
	return ends || s.opts.SoftTimeout > 0
}

// An event is what ends one wait for a call.
type event int

const (
	isOver      event = iota // the call has a result, or the context of the reader was cancelled
	isLate                   // it should be waited for no longer, if there is something stale
	isForgotten              // the call was forgotten
	isOld                    // its load takes longer than others
)

// next waits for what happens first to a reader that waits for c.
func (s *Store[T]) next(ctx context.Context, c *call[T], j *joined) event {
	var offers <-chan struct{}
	if j.soft {
		offers = c.Offers()
	}
	var late <-chan time.Time
	for {
		select {
		case <-c.Done():
			return isOver
		default:
		}
		select {
		case <-c.Done():
			return isOver
		case <-j.forgotten:
			return isForgotten
		case <-j.old:
			return isOld
		case <-late:
			return isLate
		case <-ctx.Done():
			if j.soft && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return isLate
			}
			return isOver
		case <-offers:
			offers = nil
			_, since, _ := c.Offered()
			if at := s.lateAt(ctx, since); !at.IsZero() {
				t := time.NewTimer(time.Until(at))
				defer t.Stop()
				late = t.C
			}
		}
	}
}

// lateAt returns until when a read waits for a load for which something stale was
// offered at since. Zero: as long as ctx allows.
func (s *Store[T]) lateAt(ctx context.Context, since time.Time) (at time.Time) {
	if s.opts.SoftTimeout > 0 {
		at = since.Add(s.opts.SoftTimeout)
	}
	usual := s.usual.get()
	if end, ok := ctx.Deadline(); ok && usual > 0 {
		if near := end.Add(-usual); at.IsZero() || near.Before(at) {
			at = near
		}
	}
	return at
}

// around finds something stale for who does not wait for c any longer.
//
// It must not be what was changed before the read began. What L1 has is not: that was
// dropped. Nor is what c was offered, if that was read after this read began; if it was
// not, or was overtaken by a change, L2 is asked once more.
func (s *Store[T]) around(ctx context.Context, c *call[T], began uint64) (f Found[T], ok bool) {
	if f, ok = s.staleLocal(c.Values(), c.Key(), Look[T]{}); !ok {
		if f, ok = s.offered(c, began); !ok && s.hasL2 && ctx.Err() == nil {
			f, _ = s.behindAgain(ctx, c.Key(), Look[T]{}, false)
			ok = f.Tier != Source
		}
		if ok && f.Stale {
			s.count.staleServed.Add(1)
		}
	}
	if f.Stale {
		f.Cause = store.ErrSlow
	}
	return f, ok
}

// offered returns what c was offered, if a read that began at the moment began may be
// answered with that.
func (s *Store[T]) offered(c *call[T], began uint64) (f Found[T], ok bool) {
	f, _, stands := c.Offered()
	if !s.hasL2 {
		return f, stands && s.current(&f.Entry)
	}
	return f, stands && f.asOf > began && !s.outdated(&f.Entry)
}

// took notes how long a load took that ended with err. One that failed tells only if it
// took longer than others.
func (s *Store[T]) took(d time.Duration, err error) {
	if usual := s.usual.get(); err == nil || usual > 0 && d > usual {
		s.usual.note(d)
	}
}

// An average tells how long something usually takes: it follows the last eight times or
// so. The zero average does not know.
type average struct{ d atomic.Int64 }

func (a *average) get() time.Duration { return time.Duration(a.d.Load()) }

// note takes d into account. Of several at the same time some may be missed.
func (a *average) note(d time.Duration) {
	old := a.d.Load()
	if old != 0 {
		d = time.Duration(old) + (d-time.Duration(old))/8
	}
	a.d.Store(int64(max(d, 1)))
}
