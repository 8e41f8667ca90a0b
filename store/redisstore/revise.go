package redisstore

import (
	"context"
	"fmt"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// A condition is one of [write.call], under which a write takes place.
type condition struct {
	op, mode string
	stands   func(there *meta) bool // what is there keeps its place
}

var (
	ifNewer  = condition{"set newer", "V", func(*meta) bool { return true }}
	ifAbsent = condition{"set if absent", "A", func(there *meta) bool { return !there.Absent }}
)

// writeIf is SetNewer and SetIfAbsent.
func (s *view) writeIf(ctx context.Context, c condition, key string, e *meta, value encoder, decode decoder) (kept bool, err error) {
	full, err := s.redisKey(key)
	if err != nil {
		return false, s.fail(ctx, c.op, key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op(c.op, key, 1))
	kept, err = s.setIf(ctx, c, full, e, value, decode)
	switch {
	case err != nil:
		err = s.failWrite(ctx, c.op, key, err)
	case kept:
		s.answered(key)
		s.stats.sets.Add(1)
	default:
		s.answered(key)
	}
	end(0, err)
	return kept, err
}

// errContended says that others changed a key each time that it had been looked at.
var errContended = fmt.Errorf("%w: the key changes too fast", store.ErrUnavailable)

func (s *view) setIf(ctx context.Context, c condition, full string, e *meta, value encoder, decode decoder) (kept bool, err error) {
	for range 5 {
		if kept, err = s.set(ctx, full, e, value, c.mode); kept || err != nil {
			return kept, err
		}
		var there meta
		found, err := s.get(ctx, full, &there, decode)
		if err != nil || found && c.stands(&there) {
			return false, err
		}
		if there.Version == 0 { // it is gone
			continue
		}
		if kept, err = s.setOver(ctx, full, there.Version, e, value); kept || err != nil {
			return kept, err
		}
	}
	return false, errContended
}

// setOver keeps e if what is there is still the record with this id.
func (s *view) setOver(ctx context.Context, full string, id uint64, e *meta, value encoder) (kept bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return false, err
	}
	w, err := s.encode(call, full, e, value)
	if err != nil || w.MS < 0 { // over meanwhile: what is there does not count
		return err == nil, err
	}
	blob := rueidis.BinaryString(*w.buf)
	reply, short := s.client.writer.WriteOne(call, l, script.Fill.Call(full, "C", record.Bytes8(id), blob, script.Decimal(w.MS)))
	if err = s.sent(call, &w, reply); err == nil {
		kept, err = wasSet(reply)
	}
	if err != nil {
		return false, err
	}
	return kept, short
}
