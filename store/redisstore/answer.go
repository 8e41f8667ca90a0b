package redisstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// answerAt makes an entry of the reply to GET, which is blob or err. known is false if
// it takes the life of the key to do so.
func (s *view) answerAt(ctx context.Context, full string, clock *heartbeat.ServerClock, sent time.Time, blob []byte, err error, e *meta, decode decoder) (found, known bool, _ error) {
	if rueidis.IsRedisNil(err) {
		return false, true, nil
	}
	if err != nil {
		return false, true, s.foreign(ctx, full, err)
	}
	var expires store.Time
	if len(blob) >= record.HeaderSize && record.KindOf(blob) == record.KindValue {
		switch end := record.Uint32(blob[record.OffEnd:]); end {
		case 0:
			return false, false, nil
		case record.EndNone:
		default:
			left := int64(end)*1000 + int64(record.Uint16(blob[record.OffEndMs:])) - clock.At(sent)
			if left <= 0 {
				return false, true, nil
			}
			expires = store.At(sent) + store.Time(left)
		}
	}
	return s.decode(ctx, full, blob, expires, store.At(sent), e, decode), true, nil
}

// answer makes an entry of the replies to PTTL and GET, which is blob or err.
func (s *view) answer(ctx context.Context, full string, sent store.Time, life rueidis.RedisResult, blob []byte, err error, e *meta, decode decoder) (found bool, _ error) {
	pttl, failed := life.AsInt64()
	if failed != nil {
		return false, failed
	}
	if rueidis.IsRedisNil(err) || err == nil && pttl == -2 { // it came or went in between
		return false, nil
	}
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	var expires store.Time
	if pttl >= 0 {
		expires = sent + store.Time(pttl)
	}
	return s.decode(ctx, full, blob, expires, sent, e, decode), nil
}

// foreign counts what is no string, and therefore no record, as corrupt, like
// all other bytes that are not ours. Other errors it returns.
func (s *view) foreign(ctx context.Context, full string, err error) error {
	if reply, ok := rueidis.IsRedisErr(err); ok && errors.Is(link.ReplyCause(reply.Error(), err), store.ErrWrongType) {
		s.stats.corrupt.Add(1)
		s.observeCorrupt(ctx, full, record.ErrCorrupt)
		return nil
	}
	return err
}

// decode makes an entry of a record that was asked for at sent, or finds that there
// is none.
func (s *view) decode(ctx context.Context, full string, blob []byte, expires, sent store.Time, e *meta, decode decoder) (found bool) {
	if s.plain {
		return s.decodePlain(ctx, full, blob, expires, e, decode)
	}
	switch record.KindOf(blob) {
	case record.KindNone, record.KindCounter:
		return false
	case record.KindCorrupt:
		s.stats.corrupt.Add(1)
		s.observeCorrupt(ctx, full, record.ErrCorrupt)
		return false
	}
	var r record.Record
	err := record.Parse(blob, &r)
	if err == nil && !r.Absent {
		if r.Codec != s.codecID {
			err = record.ErrCorrupt
		} else {
			err = decode(full, r.Payload)
		}
	}
	if err != nil {
		if len(blob) >= record.HeaderSize { // its version, so that a lease can be given for it at once
			*e = meta{Version: record.Uint64(blob[record.OffID:])}
		}
		s.stats.corruptValue(full, e.Version)
		s.observeCorrupt(ctx, full, err)
		return false
	}
	if expires != 0 {
		if r.Capped {
			expires, r.KeepMs = expires-store.Time(r.KeepMs), 0
		}
		now := sent
		if expires-sent <= store.Time(2*s.deadlines.Timeout.Milliseconds()) { // it may have ended since
			now = store.Now()
		}
		if expires <= now {
			return false
		}
		l := record.Life{MS: int64(expires - now), KeepMs: r.KeepMs, Endless: r.Endless}
		e.ExpiresAt, e.StaleAt = l.Times(now)
	}
	r.Describe(e)
	return true
}

// blobs are buffers to encode in.
var blobs = sync.Pool{New: func() any { return new([]byte) }}

// release gives a buffer back. If err says that the command may still be waiting
// to be sent, the buffer belongs to it for good.
func release(buf *[]byte, err error) {
	var reply *rueidis.RedisError
	if cap(*buf) <= mostPooled && (err == nil || errors.As(err, &reply)) {
		blobs.Put(buf)
	}
}

// mostPooled is the size above which a buffer is left to the garbage collector.
const mostPooled = 1 << 20

// decodePlain makes an entry of a value, or finds that it is none.
func (s *view) decodePlain(ctx context.Context, full string, blob []byte, expires store.Time, e *meta, decode decoder) (found bool) {
	if err := decode(full, blob); err != nil {
		s.stats.corrupt.Add(1)
		s.observeCorrupt(ctx, full, err)
		*e = meta{}
		return false
	}
	e.ExpiresAt, e.Size = expires, len(blob)
	return true
}
