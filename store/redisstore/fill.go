package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Fill keeps e under key as [store.Filler] describes it, with one exchange on T; under a
// hold for no longer than that. Redis does not push T its own write, and forgets that T
// had read the key; so the id is read back in the same exchange, which makes Redis
// remember, and shows whether it is still this record. With [Dialer.Broadcast] it is never
// watched: see FillLeased.
//
// Watchers of other stores of the same client are told.
func (s *Store[T]) Fill(ctx context.Context, key string, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	full, err := s.redisKey(key)
	if err != nil {
		return kept, false, s.fail(ctx, "fill", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("fill", key, 1))
	kept, watched, err = s.fill(ctx, full, e)
	if err != nil {
		kept, watched, err = store.Entry[T]{}, false, s.fail(ctx, "fill", key, err)
	} else {
		s.answered(key)
		s.stats.sets.Add(1)
	}
	end(0, err)
	return kept, watched, err
}

func (s *Store[T]) fill(ctx context.Context, full string, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err == nil {
		err = s.blind
	}
	if err != nil {
		return kept, false, err
	}
	if e.Stamp == 0 {
		if e.Stamp, err = s.stampOf(call, l, &e); err != nil {
			return kept, false, err
		}
	}
	sent := store.Now()
	w, err := s.encode(call, full, &e)
	if err != nil {
		return kept, false, err
	}
	set, id := s.writeBack(call, l, &w)
	life := w.life
	if err = s.sent(call, &w, set); err == nil && w.ms >= 0 {
		life, err = fillReply(&w, set)
	}
	if err != nil {
		return kept, false, err
	}
	kept = e
	if w.ms < 0 {
		return kept, false, nil
	}
	kept.Version, kept.Size = w.id, w.size
	kept.ExpiresAt, kept.StaleAt = life.times(sent)
	back, err := id.AsBytes()
	watched = err == nil && len(back) == 8 && beUint64(back) == w.id && len(s.client.broadcast) == 0
	return kept, watched, nil
}

// writeBack makes the write and reads the id that is there then.
func (s *Store[T]) writeBack(ctx context.Context, l *links, w *write) (set, id rueidis.RedisResult) {
	x := w.call("")
	peek := func() rueidis.Completed { return l.t.B().Getrange().Key(w.key).Start(offID).End(offID + 7).Build() }
	if w.ms < 0 || s.client.clientSide.Load() {
		// The write must invalidate what T answers from its own cache, too.
		return x.run(ctx, l.w, x.key, x.args...), l.t.Do(ctx, peek())
	}
	r := l.t.DoMulti(ctx, x.command(l.t, x.key, x.args), peek())
	if isNoScript(r[0].Error()) {
		r = l.t.DoMulti(ctx, x.whole(l.t, x.key, x.args), peek())
	}
	s.client.watchers.tell([]string{w.key}, s)
	return r[0], r[1]
}
