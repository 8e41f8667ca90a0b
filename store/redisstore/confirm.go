package redisstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"

	"github.com/lokroom/strata/store"
)

// Confirm gives the entry that is there another life, as [store.Confirmer] describes it,
// with one exchange that does not move the value: in the record change the id, the times,
// and the checksum as far as it is of LoadedAt. What is there under a hold, or without a
// LoadedAt, is sent as a whole, by Replace.
func (s *Store[T]) Confirm(ctx context.Context, key string, old, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	l := lifeOf(e.ExpiresAt, e.StaleAt, store.Now())
	if l.ms < 0 || old.LoadedAt == 0 || e.LoadedAt == 0 {
		return s.Replace(ctx, key, old.Version, e)
	}
	whole := false
	err = s.script(ctx, "confirm", key, func(call context.Context, lk *links, full string) (err error) {
		if ok, err := s.current(call, lk, old.Tags, old.Stamp, e.ExpiresAt); err != nil || !ok {
			return cmp.Or(err, store.ErrChanged) // see Replace
		}
		kept, watched, whole, err = s.confirmIf(call, lk, full, l, &old, &e)
		if err != nil || whole {
			return err
		}
		ok, err := s.current(call, lk, old.Tags, old.Stamp, e.ExpiresAt)
		if err == nil && !ok {
			err = store.ErrChanged
		}
		return err
	})
	switch {
	case err != nil:
		return store.Entry[T]{}, false, err
	case whole:
		return s.Replace(ctx, key, old.Version, e)
	}
	s.stats.sets.Add(1)
	return kept, watched, nil
}

// confirmIf gives the record another life if it is still that of old. whole says that it
// must be sent as a whole.
func (s *Store[T]) confirmIf(ctx context.Context, l *links, full string, life life, old, e *store.Entry[T]) (kept store.Entry[T], watched, whole bool, err error) {
	var keep [4]byte
	binary.BigEndian.PutUint32(keep[:], life.keepMs)
	endless := "0"
	if life.endless {
		endless = "1"
	}
	size := headerSize + extSize + old.Size
	for _, tag := range old.Tags {
		size += 2 + len(tag)
	}
	c := l.t
	if s.client.clientSide.Load() {
		c = l.w // see fillIf
	}
	id, sent := newID(), store.Now()
	reply, err := confirmScript.run(ctx, c, full, bytes8(old.Version), bytes8(id), decimal(life.ms), string(keep[:]), endless,
		bytes8(uint64(old.LoadedAt)), bytes8(uint64(e.LoadedAt)), sumChange(uint64(old.LoadedAt), uint64(e.LoadedAt), old.Size), decimal(int64(size))).AsIntSlice()
	switch {
	case err != nil:
		return kept, false, false, err
	case len(reply) == 1 && reply[0] == 0:
		return kept, false, false, store.ErrChanged
	case len(reply) == 1 && reply[0] == 2:
		return kept, false, true, nil
	case len(reply) != 3:
		return kept, false, false, errBadReply
	}
	if err := s.settle(ctx, l, full); err != nil {
		return kept, false, false, err
	}
	if c == l.t {
		s.client.watchers.tell([]string{full}, s)
	}
	kept = *old
	kept.Version, kept.LoadedAt = id, e.LoadedAt
	kept.ExpiresAt, kept.StaleAt = life.times(sent)
	return kept, c == l.t && len(s.client.broadcast) == 0, false, nil
}

var zeros [4096]byte

// sumChange returns by what the sum of a record changes when its LoadedAt does, which
// size bytes follow. A CRC is linear: that of the difference, behind as many zeros as
// one likes, is the difference of those of the records.
func sumChange(from, to uint64, size int) string {
	const raw = 1<<32 - 1 // the package inverts what goes in and what comes out
	sum := crc32.Update(raw, castagnoli, []byte(bytes8(from^to)))
	for ; size > 0; size -= len(zeros) {
		sum = crc32.Update(sum, castagnoli, zeros[:min(size, len(zeros))])
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], sum^raw)
	return string(b[:])
}
