package memstore

import (
	"maps"

	"github.com/lokroom/strata/store"
)

// Disconnect cuts s off from its memory, as a process is cut off that cannot reach Redis:
// calls return an error that is [store.ErrUnavailable], and the watchers of s are not
// notified of changes. Its peers go on. Connected of the watchers of s is called with false.
func (s *Shared[T]) Disconnect() { s.setOffline(true) }

// Reconnect ends Disconnect. The watchers of s are notified that anything may have
// changed before calls succeed again, and then their Connected is called with true.
func (s *Shared[T]) Reconnect() { s.setOffline(false) }

func (s *Shared[T]) setOffline(offline bool) {
	s.watch.Lock() // no notification is under way, and none begins
	defer s.watch.Unlock()
	if s.isOffline() == offline {
		return
	}
	if !offline {
		s.lost(s.Store)
	}
	s.mu.Lock()
	s.offline, s.lastTags = offline, maps.Clone(s.tags)
	s.mu.Unlock()
	for w := range s.watchers {
		if w.of == s.Store && w.Connected != nil {
			w.Connected(!offline)
		}
	}
}

func (s *Store[T]) isOffline() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offline
}

// lost notifies the watchers of one client, nil for all, that anything may have changed.
func (s *Store[T]) lost(of *Store[T]) {
	for w := range s.watchers {
		if w.Changed != nil && (of == nil && !w.of.isOffline() || w.of == of) {
			w.Changed(store.Invalidation{All: true})
		}
	}
}

// Snapshot notes what the memory holds. rollback restores that, as Redis goes back in time
// when it is started from an old file, or when a replica takes over that lacks the last
// writes. It calls RolledBack of all watchers first, and then notifies them that anything may
// have changed. Hot keys, counters of what was done and claims stay as they
// are.
func (s *Shared[T]) Snapshot() (rollback func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	then := s.contents.clone()
	return func() {
		s.watch.Lock()
		defer s.watch.Unlock()
		for w := range s.watchers {
			if w.RolledBack != nil {
				w.RolledBack()
			}
		}
		s.mu.Lock()
		s.contents = then.clone()
		s.mu.Unlock()
		s.lost(nil)
	}
}
