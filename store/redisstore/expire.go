package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// A look is what is known of a key without its value.
type look struct {
	kind    record.Kind
	absent  bool
	endless bool
	ms      int64 // left; -1: without end
}

// there reports whether there is an entry or a counter.
func (k look) there() bool { return k.kind == record.KindValue || k.kind == record.KindCounter }

// look goes over W: no copy of what it reads is kept, so no change of it matters
// later.
func (s *view) look(ctx context.Context, op, key string) (k look, err error) {
	full, err := s.redisKey(key)
	if err != nil {
		return k, s.fail(ctx, op, key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op(op, key, 1))
	k, err = s.peek(ctx, full)
	hits := 0
	if err != nil {
		err = s.fail(ctx, op, key, err)
	} else {
		s.answered(key)
		if k.there() {
			hits = 1
		}
	}
	end(hits, err)
	return k, err
}

func (s *view) peek(ctx context.Context, full string) (k look, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return k, err
	}
	b := l.W.B()
	if s.plain {
		k.ms, err = l.W.Do(call, b.Pttl().Key(full).Build()).AsInt64()
		if k.kind = record.KindValue; k.ms == -2 || k.ms == 0 {
			k.kind = record.KindNone
		}
		return k, err
	}
	r := l.W.DoMulti(call, b.Pttl().Key(full).Build(), b.Getrange().Key(full).Start(0).End(record.HeaderSize-1).Build())
	if k.ms, err = r[0].AsInt64(); err != nil {
		return k, err
	}
	head, err := r[1].AsBytes()
	if err != nil {
		k.kind = record.KindCorrupt
		return k, s.foreign(call, full, err)
	}
	if k.ms == -2 || k.ms == 0 { // it came in between; it goes this millisecond
		return k, nil
	}
	if k.kind = record.KindOf(head); k.kind != record.KindValue || len(head) < record.HeaderSize {
		return k, nil
	}
	k.absent, k.endless = head[2]&record.FlagAbsent != 0, head[2]&record.FlagEndless != 0
	if head[2]&record.FlagProvisional != 0 {
		if k.ms -= int64(record.Uint32(head[record.OffKeep:])); k.ms <= 0 {
			return look{}, nil
		}
	}
	return k, s.peekTags(call, l, full, head, &k)
}

// peekTags finds nothing after all if the entry is not current.
func (s *view) peekTags(ctx context.Context, l *link.Pair, full string, head []byte, k *look) error {
	var tags []string
	if n := int64(record.Uint16(head[record.OffTags:])); n > 0 {
		b, err := l.W.Do(ctx, l.W.B().Getrange().Key(full).Start(record.HeaderSize).End(record.HeaderSize+n-1).Build()).AsBytes()
		if err != nil {
			return err
		}
		if tags, err = record.ParseTags(b); err != nil { // it was replaced in between, or is corrupt
			k.kind = record.KindCorrupt
			return nil
		}
	}
	var expires store.Time
	if k.ms >= 0 && !k.endless {
		expires = store.Now() + store.Time(k.ms)
	}
	ok, err := s.current(ctx, l, tags, record.Uint64(head[record.OffStamp:]), expires)
	if err == nil && !ok {
		k.kind = record.KindNone
	}
	return err
}

// TTL returns how long the entry or counter under key has left.
func (s *view) TTL(ctx context.Context, key string) (time.Duration, error) {
	k, err := s.look(ctx, "ttl", key)
	switch {
	case err != nil:
		return 0, err
	case !k.there():
		return 0, store.ErrNotFound
	case k.ms == -1 || k.endless:
		return store.Forever, nil
	}
	return time.Duration(k.ms) * time.Millisecond, nil
}

// Exists reports whether there is a value or a counter under key.
func (s *view) Exists(ctx context.Context, key string) (bool, error) {
	k, err := s.look(ctx, "exists", key)
	return err == nil && k.there() && !k.absent, err
}

// Expire sets the time that the entry or counter under key has left.
func (s *view) Expire(ctx context.Context, key string, ttl time.Duration) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, "expire", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("expire", key, 1))
	found, err := s.expire(ctx, full, ttl)
	if err != nil {
		err = s.failWrite(ctx, "expire", key, err)
		end(0, err)
		return err
	}
	s.answered(key)
	if !found {
		end(0, nil)
		return store.ErrNotFound
	}
	end(1, nil)
	return nil
}

func (s *view) expire(ctx context.Context, full string, ttl time.Duration) (found bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return false, err
	}
	x := script.Expire.Call(full, script.Decimal(record.Millis(ttl)))
	if s.plain {
		x.Script = &script.PlainExpire
	}
	reply, short := s.client.writer.WriteOne(call, l, x)
	n, err := reply.AsInt64()
	if err != nil {
		return false, err
	}
	return n == 1, short
}
