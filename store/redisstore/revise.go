package redisstore

import (
	"context"
	"fmt"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// SetNewer keeps e under key unless a newer value is there, as [store.Reviser]
// describes it, with one exchange: the script that writes compares. If it finds a newer
// one, that is read, because it may have been invalidated by a tag or by Clear.
func (s *Store[T]) SetNewer(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	full, err := s.redisKey(key)
	if err != nil {
		return false, s.fail(ctx, "set newer", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("set newer", key, 1))
	kept, err = s.setNewer(ctx, full, &e)
	switch {
	case err != nil:
		err = s.failWrite(ctx, "set newer", key, err)
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

func (s *Store[T]) setNewer(ctx context.Context, full string, e *store.Entry[T]) (kept bool, err error) {
	for range 5 {
		if kept, err = s.set(ctx, full, e, "V"); kept || err != nil {
			return kept, err
		}
		var there store.Entry[T]
		found, err := s.get(ctx, full, &there)
		if found || err != nil {
			return false, err
		}
		if there.Version == 0 { // it is gone
			continue
		}
		if kept, err = s.replace(ctx, full, there.Version, e); kept || err != nil {
			return kept, err
		}
	}
	return false, errContended
}

// replace keeps e if what is there is still the record with this id.
func (s *Store[T]) replace(ctx context.Context, full string, id uint64, e *store.Entry[T]) (kept bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err != nil {
		return false, err
	}
	w, err := s.encode(call, full, e)
	if err != nil || w.ms < 0 { // over meanwhile: what is there does not count
		return err == nil, err
	}
	blob := rueidis.BinaryString(*w.buf)
	reply, short := s.client.writeOne(call, l, scriptCall{&fillScript, full, []string{"C", bytes8(id), blob, decimal(w.ms)}})
	if err = s.sent(call, &w, reply); err == nil {
		kept, err = wasSet(reply)
	}
	if err != nil {
		return false, err
	}
	return kept, firstOf(s.settle(call, l, full), short)
}
