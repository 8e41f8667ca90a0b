package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// revalidate is Revalidate. It renews the times of e.
func (s *view) revalidate(ctx context.Context, key string, e *meta) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, "revalidate", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("revalidate", key, 1))
	same, err := s.stillCurrent(ctx, full, e)
	switch {
	case err != nil:
		err = s.fail(ctx, "revalidate", key, err)
		end(0, err)
		return err
	case !same:
		s.answered(key)
		end(0, nil)
		return store.ErrNotFound
	}
	s.answered(key)
	end(1, nil)
	return nil
}

// stillCurrent renews the times of e if the record is still of its version.
func (s *view) stillCurrent(ctx context.Context, full string, e *meta) (same bool, err error) {
	call, cancel := s.reads.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		same, err = s.revalidateOnce(call, full, e)
		if try == link.MaxTries || !link.IsBroken(call, err) {
			return same, err
		}
	}
}

func (s *view) revalidateOnce(ctx context.Context, full string, e *meta) (same bool, err error) {
	moves := s.client.heartbeat.Generation.Load()
	l, err := s.reading(ctx, full)
	if err != nil {
		return false, err
	}
	if s.client.heartbeat.Asks() {
		same, err = s.revalidateAsking(ctx, l, full, e)
	} else {
		sent := store.Now()
		r := l.T.DoMulti(ctx, revalidateCommands(l, full)...)
		if same, err = s.isStill(ctx, full, r, sent, e); same {
			same, err = s.current(ctx, l, e.Tags, e.Stamp, e.ExpiresAt)
		}
	}
	err = link.FirstOf(err, s.client.heartbeat.Unchanged(moves))
	return same && err == nil, err
}

// revalidateAsking asks for the last Clear and the tags in the same exchange.
func (s *view) revalidateAsking(ctx context.Context, l *link.Pair, full string, e *meta) (same bool, err error) {
	if s.tags.Retry.Has(e.Tags...) { // see asked
		return false, nil
	}
	asks, names := s.asksAbout(tagclock.NeedsOf(e.Tags, e.ExpiresAt))
	sent := store.Now()
	cmds, q := tagclock.Question(l, asks, revalidateCommands(l, full))
	r := l.T.DoMulti(ctx, cmds...)
	if same, err = s.isStill(ctx, full, r, sent, e); err != nil || !same {
		return false, err
	}
	values, err := s.tags.Answers(ctx, l, asks, &q, r, s.client.link.MaxStale > 0)
	if err != nil || !tagclock.ReadingsOf(values, names).Current(e.Tags, e.Stamp) {
		return false, err
	}
	s.tags.Outlast(e.Tags, e.ExpiresAt)
	return true, nil
}

func revalidateCommands(l *link.Pair, full string) []rueidis.Completed {
	b := l.T.B()
	return []rueidis.Completed{b.Pttl().Key(full).Build(), b.Getrange().Key(full).Start(0).End(record.HeaderSize - 1).Build()}
}

// isStill renews the times of e if r, the replies to revalidateCommands, are of its version.
func (s *view) isStill(ctx context.Context, full string, r []rueidis.RedisResult, sent store.Time, e *meta) (same bool, err error) {
	pttl, err := r[0].AsInt64()
	if err != nil {
		return false, err
	}
	head, err := r[1].AsBytes()
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	if pttl == -2 || len(head) < record.HeaderSize || record.Uint64(head[record.OffID:]) != e.Version {
		return false, nil
	}
	if record.IsUnstorable(head) { // e is in memory alone, with times of its own
		return true, nil
	}
	if record.KindOf(head) != record.KindValue {
		return false, nil
	}
	l1 := record.Life{KeepMs: record.Uint32(head[record.OffKeep:]), Endless: head[2]&record.FlagEndless != 0}
	if pttl != -1 {
		l1.MS = pttl
		if head[2]&record.FlagProvisional != 0 {
			l1.MS, l1.KeepMs = pttl-int64(l1.KeepMs), 0
		}
		if l1.MS <= 0 { // it is over, or ends this millisecond
			return false, nil
		}
	}
	e.ExpiresAt, e.StaleAt = l1.Times(sent)
	return true, nil
}
