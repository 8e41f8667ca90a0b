package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// errFull says that Redis has no room and may not make any.
var errFull = fmt.Errorf("%w: Redis is full, and %w", store.ErrTooLarge, store.ErrRemoved)

// write is Set.
func (s *view) write(ctx context.Context, key string, e *meta, value encoder) error {
	full, err := s.redisKey(key)
	if err != nil {
		return s.fail(ctx, "set", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("set", key, 1))
	if _, err = s.set(ctx, full, e, value, ""); err != nil {
		err = s.failWrite(ctx, "set", key, err)
	} else {
		s.answered(key)
		s.stats.sets.Add(1)
	}
	end(0, err)
	return err
}

// set makes one write in a mode of [write.call].
func (s *view) set(ctx context.Context, full string, e *meta, value encoder, mode string) (kept bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return false, err
	}
	if e.Stamp == 0 {
		if e.Stamp, err = s.stampOf(call, l, e); err != nil {
			return false, err
		}
	}
	w, err := s.encode(call, full, e, value)
	if err != nil {
		return false, err
	}
	reply, short := s.client.writer.WriteOne(call, l, w.call(mode))
	if err = s.sent(call, &w, reply); err == nil {
		kept, err = w.done(reply)
	}
	if err != nil {
		return false, err
	}
	return kept, short
}

// call is the script that makes the write: it sees to holds. mode is "V" if a newer
// version keeps its place, "A" if any value does, else empty. What is over is removed.
func (w *write) call(mode string) script.Call {
	switch {
	case w.plain && w.MS < 0:
		return script.PlainDelete.Call(w.key)
	case w.plain:
		return script.PlainSet.Call(w.key, rueidis.BinaryString(*w.buf), script.Decimal(w.MS))
	case w.MS < 0:
		return deleteCall(w.key)
	}
	return script.Set.Call(w.key, rueidis.BinaryString(*w.buf), script.Decimal(w.MS), mode)
}

func deleteCall(full string) script.Call { return script.Delete.Call(full, "0", "") }

// done reads the reply of the script: false if a newer version stands.
func (w *write) done(r rueidis.RedisResult) (bool, error) {
	if w.MS < 0 {
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
	return false, link.ErrBadReply
}

// A write is an entry on its way to Redis.
type write struct {
	key string
	buf *[]byte // the record
	id  uint64
	record.Life
	size  int  // of the payload
	sent  int  // bytes of the key and the record
	plain bool // there is nothing but the payload
}

// encode makes a write of e. The caller calls sent, or releases its buffer.
func (s *view) encode(ctx context.Context, full string, e *meta, value encoder) (w write, err error) {
	w = write{key: full, buf: blobs.Get().(*[]byte), id: record.NewID(), Life: record.LifeOf(e.ExpiresAt, e.StaleAt, store.Now())}
	if s.plain {
		return s.encodePlain(ctx, w, e, value)
	}
	if w.MS < 0 {
		return w, nil
	}
	r := record.Of(e, w.Life)
	r.Codec, r.ID = s.codecID, w.id
	b, err := record.AppendHead((*w.buf)[:0], &r)
	if err == nil {
		head := len(b)
		if !e.Absent {
			b, err = value(b, full)
		}
		w.size, w.sent = len(b)-head, len(full)+len(b)
	}
	if err = s.encoded(ctx, &w, err); err != nil {
		return write{}, err
	}
	record.Seal(b)
	*w.buf = b
	return w, nil
}

// encoded says what is wrong with a write, from the error err of its encoding, and gives
// its buffer back then.
func (s *view) encoded(ctx context.Context, w *write, err error) error {
	switch {
	case errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrUnstorable):
	case err != nil:
		err = fmt.Errorf("%w: %w", store.ErrUnstorable, err)
	case w.size > s.maxValue:
		err = fmt.Errorf("%w: a value of %d bytes, of at most %d", store.ErrTooLarge, w.size, s.maxValue)
	default:
		err = s.client.link.CheckSize(ctx, w.sent)
	}
	if err != nil {
		blobs.Put(w.buf)
	}
	return err
}

// sent gives the buffer of a write back after it was sent, and returns the error of the
// reply.
func (s *view) sent(ctx context.Context, w *write, reply rueidis.RedisResult) error {
	err := reply.Error()
	if !link.IsProtocolError(err) { // the record may still be on its way
		release(w.buf, err)
	}
	return s.client.link.SizeError(ctx, w.sent, err)
}

// encodePlain makes a write of what a plain store keeps of e.
func (s *view) encodePlain(ctx context.Context, w write, e *meta, value encoder) (write, error) {
	end := e.ExpiresAt
	if e.StaleAt != 0 && (end == 0 || e.StaleAt < end) {
		end = e.StaleAt
	}
	w.plain, w.Life = true, record.LifeOf(end, 0, store.Now())
	if e.Absent || len(e.Tags) > 0 {
		w.MS = -1
	}
	if w.MS < 0 {
		return w, nil
	}
	b, err := value((*w.buf)[:0], w.key)
	w.size, w.sent = len(b), len(w.key)+len(b)
	if err := s.encoded(ctx, &w, err); err != nil {
		return write{}, err
	}
	*w.buf = b
	return w, nil
}
