package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// A look is what can be told of a key without its value.
type look struct {
	kind    kind
	absent  bool
	endless bool
	ms      int64 // left; -1: without end
}

// there reports whether there is an entry or a counter.
func (k look) there() bool { return k.kind == kindValue || k.kind == kindCounter }

// look goes over W: nobody keeps a copy of what it reads, so there is nothing to
// be told of later.
func (s *Store[T]) look(ctx context.Context, op, key string) (k look, err error) {
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

func (s *Store[T]) peek(ctx context.Context, full string) (k look, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err != nil {
		return k, err
	}
	b := l.w.B()
	if s.plain {
		k.ms, err = l.w.Do(call, b.Pttl().Key(full).Build()).AsInt64()
		if k.kind = kindValue; k.ms == -2 || k.ms == 0 {
			k.kind = kindNone
		}
		return k, err
	}
	r := l.w.DoMulti(call, b.Pttl().Key(full).Build(), b.Getrange().Key(full).Start(0).End(headerSize-1).Build())
	if k.ms, err = r[0].AsInt64(); err != nil {
		return k, err
	}
	head, err := r[1].AsBytes()
	if err != nil {
		k.kind = kindCorrupt
		return k, s.foreign(call, full, err)
	}
	if k.ms == -2 || k.ms == 0 { // it came in between; it goes this millisecond
		return k, nil
	}
	if k.kind = kindOf(head); k.kind != kindValue || len(head) < headerSize {
		return k, nil
	}
	k.absent, k.endless = head[2]&flagAbsent != 0, head[2]&flagEndless != 0
	if head[2]&flagProvisional != 0 {
		if k.ms -= int64(beUint32(head[offKeep:])); k.ms <= 0 {
			return look{}, nil
		}
	}
	return k, s.peekTags(call, l, full, head, &k)
}

// peekTags finds nothing after all if the entry is not current.
func (s *Store[T]) peekTags(ctx context.Context, l *links, full string, head []byte, k *look) error {
	var tags []string
	if n := int64(beUint16(head[offTags:])); n > 0 {
		b, err := l.w.Do(ctx, l.w.B().Getrange().Key(full).Start(headerSize).End(headerSize+n-1).Build()).AsBytes()
		if err != nil {
			return err
		}
		if tags, err = parseTags(b); err != nil { // it was replaced in between, or is corrupt
			k.kind = kindCorrupt
			return nil
		}
	}
	var expires store.Time
	if k.ms >= 0 && !k.endless {
		expires = store.Now() + store.Time(k.ms)
	}
	ok, err := s.current(ctx, l, tags, beUint64(head[offStamp:]), expires)
	if err == nil && !ok {
		k.kind = kindNone
	}
	return err
}

// TTL returns how long the entry or counter under key has left.
func (s *Store[T]) TTL(ctx context.Context, key string) (time.Duration, error) {
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
func (s *Store[T]) Exists(ctx context.Context, key string) (bool, error) {
	k, err := s.look(ctx, "exists", key)
	return err == nil && k.there() && !k.absent, err
}

// Expire sets the time that the entry or counter under key has left.
func (s *Store[T]) Expire(ctx context.Context, key string, ttl time.Duration) error {
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

func (s *Store[T]) expire(ctx context.Context, full string, ttl time.Duration) (found bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err != nil {
		return false, err
	}
	x := scriptCall{&expireScript, full, []string{decimal(millis(ttl))}}
	if s.plain {
		x.script = &plainExpireScript
	}
	reply, short := s.client.writeOne(call, l, x)
	n, err := reply.AsInt64()
	if err != nil {
		return false, err
	}
	return n == 1, firstOf(s.settle(call, l, full), short)
}

// millis returns ttl in milliseconds for a script: 0 for none, -1 for one that
// is over, at least 1 otherwise.
func millis(ttl time.Duration) int64 {
	switch {
	case ttl == store.Forever:
		return 0
	case ttl <= 0:
		return -1
	}
	return min(max(1, ttl.Milliseconds()), maxLife)
}
