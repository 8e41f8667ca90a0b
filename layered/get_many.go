package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// GetMany returns the entries that the tiers have under keys, as
// [store.ManyGetter] describes it, with at most one exchange with L2.
func (s *Store[T]) GetMany(ctx context.Context, keys []string) (map[string]store.Entry[T], error) {
	return s.getMany(ctx, keys, true)
}

// getMany is GetMany that need not count as reading.
func (s *Store[T]) getMany(ctx context.Context, keys []string, counts bool) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	var missing []string
	var looks []Look[T]
	for _, key := range keys {
		if l, ok := s.Look(ctx, key); ok {
			found[key] = *l.entry
		} else {
			missing, looks = append(missing, key), append(looks, l)
		}
	}
	if counts {
		s.noteRead(missing...)
	}
	if s.closed.Load() {
		return found, s.errClosed("get many", "")
	}
	if len(missing) == 0 {
		return found, nil
	}
	if !s.hasL2 { // a stale copy in L1 is all there is
		s.getManyL1(ctx, missing, looks, found)
		return found, nil
	}
	errs := make(map[string]error)
	hits := 0
	for i, r := range s.readMany(ctx, missing, looks) {
		switch key := missing[i]; {
		case r.err != nil:
			errs[key] = r.err
		case r.entry != nil:
			found[key] = *r.entry
			hits++
		default:
			s.count.misses.Add(1)
		}
	}
	s.count.l2Hits.Add(uint64(hits))
	if len(errs) > 0 {
		s.count.l2Errors.Add(1)
	}
	return found, store.NewManyError(errs)
}

func (s *Store[T]) getManyL1(ctx context.Context, keys []string, looks []Look[T], found map[string]store.Entry[T]) {
	for i, key := range keys {
		if e, err := s.getL1(ctx, key, looks[i]); err == nil || e.Absent {
			s.serveSeen()
			found[key] = e
		} else {
			s.count.misses.Add(1)
		}
	}
}
