package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// errFull says that Redis has no room and may not make any.
var errFull = fmt.Errorf("%w: Redis is full, and %w", store.ErrTooLarge, store.ErrRemoved)

// maxLife is the longest life in milliseconds that Redis is asked for.
const maxLife = 1 << 52

// Set keeps e under key. An entry that would be stale for longer than 49 days
// expires after 49 days of staleness; one with a soft expiry and no hard one is
// then forgotten. A full Redis that may not evict is ErrTooLarge.
func (s *Store[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, "set", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("set", key, 1))
	if _, err = s.set(ctx, full, &e, ""); err != nil {
		err = s.failWrite(ctx, "set", key, err)
	} else {
		s.answered(key)
		s.stats.sets.Add(1)
	}
	end(0, err)
	return err
}

// set makes one write in a mode of [write.call].
func (s *Store[T]) set(ctx context.Context, full string, e *store.Entry[T], mode string) (kept bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err != nil {
		return false, err
	}
	if e.Stamp == 0 {
		if e.Stamp, err = s.stampOf(call, l, e); err != nil {
			return false, err
		}
	}
	w, err := s.encode(call, full, e)
	if err != nil {
		return false, err
	}
	reply, short := s.client.writeOne(call, l, w.call(mode))
	if err = s.sent(call, &w, reply); err == nil {
		kept, err = w.done(reply)
	}
	if err != nil {
		return false, err
	}
	return kept, firstOf(s.settle(call, l, full), short)
}

// call is the script that makes the write: it sees to holds. mode is "V" if a newer
// version is to stand, else empty. What is over is removed.
func (w *write) call(mode string) scriptCall {
	switch {
	case w.plain && w.ms < 0:
		return scriptCall{&plainDeleteScript, w.key, nil}
	case w.plain:
		return scriptCall{&plainSetScript, w.key, []string{rueidis.BinaryString(*w.buf), decimal(w.ms)}}
	case w.ms < 0:
		return deleteCall(w.key)
	}
	return scriptCall{&setScript, w.key, []string{rueidis.BinaryString(*w.buf), decimal(w.ms), mode}}
}

func deleteCall(full string) scriptCall { return scriptCall{&deleteScript, full, []string{"0", ""}} }

// done reads the reply of the script: false if a newer version stands.
func (w *write) done(r rueidis.RedisResult) (bool, error) {
	if w.ms < 0 {
		return true, r.Error()
	}
	return wasSet(r)
}

// wasSet reads the reply of the script: false if a newer version stands.
func wasSet(r rueidis.RedisResult) (bool, error) {
	reply, err := r.AsIntSlice()
	switch {
	case err != nil:
		return false, err
	case len(reply) == 3:
		return true, nil
	case len(reply) == 1 && reply[0] == 0:
		return false, nil
	case len(reply) == 1 && reply[0] == -1:
		return false, errFull
	}
	return false, errBadReply
}

// A write is an entry on its way to Redis.
type write struct {
	key string
	buf *[]byte // the record
	id  uint64
	life
	size  int  // of the payload
	sent  int  // bytes of the key and the record
	plain bool // there is nothing but the payload
}

// A life is that of an entry as Redis is told it.
type life struct {
	ms      int64  // from now on; 0: without end, negative: over
	keepMs  uint32 // how much of it, at the end, is stale
	endless bool   // has an end only because something must bear keepMs
}

// encode makes a write of e. The caller calls sent, or releases its buffer.
func (s *Store[T]) encode(ctx context.Context, full string, e *store.Entry[T]) (w write, err error) {
	w = write{key: full, buf: blobs.Get().(*[]byte), id: newID(), life: lifeOf(e.ExpiresAt, e.StaleAt, store.Now())}
	if s.plain {
		return s.encodePlain(ctx, w, e)
	}
	if w.ms < 0 {
		return w, nil
	}
	r := record{
		absent: e.Absent, endless: w.endless, codec: s.codecID, id: w.id,
		keepMs: w.keepMs, endMs: endOf(w.life), stamp: e.Stamp, version: e.Revision, took: tookOf(e.LoadTime), loadedAt: e.LoadedAt, tags: e.Tags,
	}
	b, err := appendHead((*w.buf)[:0], &r)
	if err == nil {
		head := len(b)
		if !e.Absent {
			b, err = codec.AppendFor(s.codec, b, full, e.Value)
		}
		w.size, w.sent = len(b)-head, len(full)+len(b)
	}
	if err = s.encoded(ctx, &w, err); err != nil {
		return write{}, err
	}
	seal(b)
	*w.buf = b
	return w, nil
}

// encoded says what is wrong with a write whose encoding had the error err, and gives
// its buffer back then.
func (s *Store[T]) encoded(ctx context.Context, w *write, err error) error {
	switch {
	case errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrUnstorable):
	case err != nil:
		err = fmt.Errorf("%w: %w", store.ErrUnstorable, err)
	case w.size > s.maxValue:
		err = fmt.Errorf("%w: a value of %d bytes, of at most %d", store.ErrTooLarge, w.size, s.maxValue)
	default:
		err = s.client.checkSize(ctx, w.sent)
	}
	if err != nil {
		blobs.Put(w.buf)
	}
	return err
}

// sent gives the buffer of a write back after it was sent, and returns the error of the
// reply.
func (s *Store[T]) sent(ctx context.Context, w *write, reply rueidis.RedisResult) error {
	err := reply.Error()
	if !isProtocolError(err) { // the record may still be on its way
		release(w.buf, err)
	}
	return s.client.sizeError(ctx, w.sent, err)
}

// endOf is what the record of an entry with this life says of its end. Where there
// is one, the script that writes it fills it in, by the clock of the server.
func endOf(l life) int64 {
	if l.ms == 0 {
		return -1
	}
	return 0
}

// lifeOf returns the life of an entry with these expiry times. A record counts
// its soft expiry back from the end of its key in 32 bits: where that does not
// reach, the end comes earlier.
func lifeOf(expires, stale, now store.Time) life {
	if expires != 0 && expires <= now {
		return life{ms: -1}
	}
	if stale == 0 || expires != 0 && stale >= expires {
		if expires == 0 {
			return life{}
		}
		return life{ms: min(int64(expires-now), maxLife)}
	}
	l := life{endless: expires == 0}
	if last := max(stale, now) + maxKeep; expires == 0 || expires > last {
		expires = last
	}
	l.ms, l.keepMs = min(int64(expires-now), maxLife), uint32(min(expires-stale, maxKeep))
	return l
}

// times returns the expiry times of an entry whose key has l.ms left at now.
func (l *life) times(now store.Time) (expires, stale store.Time) {
	if l.ms == 0 {
		return 0, 0
	}
	expires = now + store.Time(l.ms)
	if l.keepMs > 0 {
		stale = expires - store.Time(l.keepMs)
	}
	if l.endless {
		expires = 0
	}
	return expires, stale
}
