package redisstore

import (
	"cmp"
	"context"
	"encoding/binary"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// confirm is Confirm. It leaves in old what was kept. whole says that e must be sent as a whole.
func (s *view) confirm(ctx context.Context, key string, old, e *meta) (watched, whole bool, err error) {
	l := record.LifeOf(e.ExpiresAt, e.StaleAt, store.Now())
	if l.MS < 0 || old.LoadedAt == 0 || e.LoadedAt == 0 {
		return false, true, nil
	}
	var kept meta
	err = s.script(ctx, "confirm", key, func(call context.Context, lk *link.Pair, full string) (err error) {
		if ok, err := s.current(call, lk, old.Tags, old.Stamp, e.ExpiresAt); err != nil || !ok {
			return cmp.Or(err, store.ErrChanged) // see Replace
		}
		kept, watched, whole, err = s.confirmIf(call, lk, full, l, old, e)
		if err != nil || whole {
			return err
		}
		ok, err := s.current(call, lk, old.Tags, old.Stamp, e.ExpiresAt)
		if err == nil && !ok {
			err = store.ErrChanged
		}
		return err
	})
	if err != nil || whole {
		return false, whole, err
	}
	*old = kept
	s.stats.sets.Add(1)
	return watched, false, nil
}

// confirmIf gives the record another life if it is still that of old. whole says that it
// must be sent as a whole.
func (s *view) confirmIf(ctx context.Context, l *link.Pair, full string, life record.Life, old, e *meta) (kept meta, watched, whole bool, err error) {
	var keep [4]byte
	binary.BigEndian.PutUint32(keep[:], life.KeepMs)
	endless := "0"
	if life.Endless {
		endless = "1"
	}
	size := record.HeaderSize + record.ExtSize + old.Size
	for _, tag := range old.Tags {
		size += 2 + len(tag)
	}
	id, sent := record.NewID(), store.Now()
	reply, err := script.Confirm.Run(ctx, l.T, full, record.Bytes8(old.Version), record.Bytes8(id), script.Decimal(life.MS), string(keep[:]), endless,
		record.Bytes8(uint64(old.LoadedAt)), record.Bytes8(uint64(e.LoadedAt)), record.SumChange(uint64(old.LoadedAt), uint64(e.LoadedAt), old.Size), script.Decimal(int64(size))).AsIntSlice()
	switch {
	case err != nil:
		return kept, false, false, err
	case len(reply) == 1 && reply[0] == 0:
		return kept, false, false, store.ErrChanged
	case len(reply) == 1 && reply[0] == 2:
		return kept, false, true, nil
	case len(reply) != 3:
		return kept, false, false, link.ErrBadReply
	}
	s.client.watchers.Changed([]string{full}, s)
	kept = *old
	kept.Version, kept.LoadedAt = id, e.LoadedAt
	kept.ExpiresAt, kept.StaleAt = life.Times(sent)
	return kept, len(s.client.link.Broadcast) == 0, false, nil
}
