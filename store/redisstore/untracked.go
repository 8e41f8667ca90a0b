package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// A client with [Dialer.NoTracking] is not notified of the changes of other processes.
// Copies of what it has read are valid for MaxStale, and then revalidated. What a strict
// read must know besides the value, which is when the store was cleared and when the tags of
// the entry were invalidated, it asks for: the time of the last Clear together with the
// value, the tags, which the value names, with one exchange more.

// MaxStale returns for how long copies of entries may be served, as [store.Watcher]
// describes it: [Dialer.MaxStale] with [Dialer.NoTracking], else zero.
func (s *view) MaxStale() time.Duration { return s.client.MaxStale() }

// MaxStale returns for how long copies of entries may be served without asking Redis:
// [Dialer.MaxStale] with [Dialer.NoTracking], else zero, which means until Redis notifies
// the client of a change.
func (c *Client) MaxStale() time.Duration { return c.link.MaxStale }

// getAsking reads a record together with the time of the last Clear.
func (s *view) getAsking(ctx context.Context, l *link.Pair, full string, now time.Time, e *meta, decode decoder) (found bool, err error) {
	mark, clock := s.cleared.Mark(), s.client.heartbeat.Clock.Load()
	var at rueidis.RedisResult
	known := false
	if clock != nil {
		var r [2]rueidis.RedisResult
		b := l.T.B()
		copy(r[:], l.T.DoMulti(ctx, b.Get().Key(full).Build(), b.Get().Key(s.clearedKey).Build()))
		at = r[1]
		blob, err1 := r[0].AsBytes()
		found, known, err = s.answerAt(ctx, full, clock, now, blob, err1, e, decode)
	}
	if !known {
		sent, b := store.Now(), l.T.B()
		r := l.T.DoMulti(ctx, b.Pttl().Key(full).Build(), b.Get().Key(full).Build(), b.Get().Key(s.clearedKey).Build())
		at = r[2]
		blob, err1 := r[1].AsBytes()
		found, err = s.answer(ctx, full, sent, r[0], blob, err1, e, decode)
	}
	if err != nil || !found {
		return false, err
	}
	cleared, ok, err := tagclock.ReadingOf(at)
	switch {
	case err != nil:
		return false, err
	case ok:
		s.cleared.Keep(mark, cleared)
	default:
		if cleared, err = s.tags.Complete(ctx, l, s.cleared, s.clearedKey, tagclock.Need{}); err != nil {
			return false, err
		}
	}
	if e.Stamp < cleared {
		return false, nil
	}
	if len(e.Tags) == 0 {
		return true, nil
	}
	return s.current(ctx, l, e.Tags, e.Stamp, e.ExpiresAt)
}

// stampAsking is leaseStamp with one exchange where Redis has the clock and the marker.
func (s *view) stampAsking(ctx context.Context, l *link.Pair) (stamp, cleared uint64, err error) {
	if _, err := s.tags.EveryAt(ctx, l); err != nil {
		return 0, 0, err
	}
	mark, b := s.cleared.Mark(), l.T.B()
	r := l.T.DoMulti(ctx, b.Get().Key(s.clearedKey).Build(), b.Get().Key(s.tags.ClockKey()).Build())
	cleared, ok, err := tagclock.ReadingOf(r[0])
	if err != nil {
		return 0, 0, err
	}
	if !ok { // the clock is read behind what makes the marker
		if cleared, err = s.tags.Complete(ctx, l, s.cleared, s.clearedKey, tagclock.Need{}); err == nil {
			stamp, err = s.tags.ReadClock(ctx, l)
		}
		return stamp, cleared, err
	}
	s.cleared.Keep(mark, cleared)
	if stamp, ok, err = tagclock.ReadingOf(r[1]); err == nil && !ok {
		stamp, err = s.tags.ReadClock(ctx, l)
	}
	return stamp, cleared, err
}
