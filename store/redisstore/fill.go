package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// fill is Fill. It leaves in e what was kept.
func (s *view) fill(ctx context.Context, key string, e *meta, value encoder) (watched bool, err error) {
	full, err := s.redisKey(key)
	if err != nil {
		*e = meta{}
		return false, s.fail(ctx, "fill", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("fill", key, 1))
	watched, err = s.fillNow(ctx, full, e, value)
	if err != nil {
		*e = meta{}
		watched, err = false, s.fail(ctx, "fill", key, err)
	} else {
		s.answered(key)
		s.stats.sets.Add(1)
	}
	end(0, err)
	return watched, err
}

func (s *view) fillNow(ctx context.Context, full string, e *meta, value encoder) (watched bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err == nil {
		err = s.blind
	}
	if err != nil {
		return false, err
	}
	if e.Stamp == 0 {
		if e.Stamp, err = s.stampOf(call, l, e); err != nil {
			return false, err
		}
	}
	sent := store.Now()
	w, err := s.encode(call, full, e, value)
	if err != nil {
		return false, err
	}
	set, id := s.writeBack(call, l, &w)
	life := w.Life
	if err = s.sent(call, &w, set); err == nil && w.MS >= 0 {
		life, err = fillReply(&w, set)
	}
	if err != nil || w.MS < 0 {
		return false, err
	}
	e.Version, e.Size = w.id, w.size
	e.ExpiresAt, e.StaleAt = life.Times(sent)
	back, err := id.AsBytes()
	return err == nil && len(back) == 8 && record.Uint64(back) == w.id && len(s.client.link.Broadcast) == 0, nil
}

// writeBack makes the write and reads the id that is there then.
func (s *view) writeBack(ctx context.Context, l *link.Pair, w *write) (set, id rueidis.RedisResult) {
	x := w.call("")
	peek := func() rueidis.Completed {
		return l.T.B().Getrange().Key(w.key).Start(record.OffID).End(record.OffID + 7).Build()
	}
	if w.MS < 0 {
		return x.Run(ctx, l.W, x.Key, x.Args...), l.T.Do(ctx, peek())
	}
	r := l.T.DoMulti(ctx, x.Command(l.T, x.Key, x.Args), peek())
	if script.IsNoScript(r[0].Error()) {
		r = l.T.DoMulti(ctx, x.Whole(l.T, x.Key, x.Args), peek())
	}
	s.client.watchers.Changed([]string{w.key}, s)
	return r[0], r[1]
}
