package memstore

import (
	"context"
	"slices"
)

// InvalidateTags implements [store.Tagger]. It notes when each tag was invalidated.
// Watchers are not notified: see [store.Tagger].
func (s *Shared[T]) InvalidateTags(_ context.Context, tags ...string) error {
	if err := s.begin("invalidate tags", ""); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.clock++
	for _, tag := range tags {
		s.tags[tag] = s.clock
	}
	return nil
}

// Stamp implements [store.Tagger].
func (s *Shared[T]) Stamp(context.Context) (uint64, error) {
	if err := s.begin("stamp", ""); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.clock, nil
}

// Current implements [store.Tagger]. Nothing is known while s is disconnected.
func (s *Shared[T]) Current(tags []string, stamp uint64) (ok, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offline {
		return len(tags) == 0, len(tags) == 0
	}
	return s.current(s.tags, tags, stamp), true
}

// Recall implements [store.Tagger]. While s is disconnected it answers by the tags that
// were invalidated before.
func (s *Shared[T]) Recall(tags []string, stamp uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offline {
		return s.current(s.lastTags, tags, stamp)
	}
	return s.current(s.tags, tags, stamp)
}

// current reports whether none of tags was invalidated since stamp, by these readings of
// the clock.
func (*Store[T]) current(readings map[string]uint64, tags []string, stamp uint64) bool {
	return !slices.ContainsFunc(tags, func(tag string) bool { return readings[tag] > stamp })
}
