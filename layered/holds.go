package layered

import (
	"maps"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

const (
	// maxHolds is the maximum number of keys in ownHolds. With more, all keys have one.
	maxHolds = 100_000

	// holdKept is how long a hold is remembered after its end, for loads that began under it.
	holdKept = time.Minute
)

// ownHolds are the holds that this process has put on keys. L2 ends what is loaded under a hold
// with the hold. While L2 is unreachable, L1 does that for what it keeps alone. The zero ownHolds
// are empty.
type ownHolds struct {
	mu   sync.Mutex
	keys map[string]ownHold
	rest ownHold // of keys that are not remembered
	full int     // number of keys at which old ones are forgotten
}

// An ownHold is a [store.Hold] with its end.
type ownHold struct {
	end      store.Time
	revision uint64
}

// add notes a hold on ks. It must be called before loads of them are kept again.
func (h *ownHolds) add(on store.Hold, ks []string) {
	if on.For <= 0 {
		return
	}
	now := store.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys == nil {
		h.keys = make(map[string]ownHold)
	}
	for _, key := range ks {
		next := ownHold{now.Add(on.For), on.Revision}
		if old := h.keys[key]; old.end > now {
			next.end = max(next.end, old.end)
			if old.revision == 0 || next.revision == 0 {
				next.revision = 0
			} else {
				next.revision = max(next.revision, old.revision)
			}
		}
		h.keys[key] = next
	}
	h.forget(now)
}

// forget removes old holds now and then. The lock is held.
func (h *ownHolds) forget(now store.Time) {
	if len(h.keys) <= h.full {
		return
	}
	maps.DeleteFunc(h.keys, func(_ string, x ownHold) bool { return x.end.Add(holdKept) < now })
	if len(h.keys) > maxHolds {
		for _, x := range h.keys {
			h.rest.end = max(h.rest.end, x.end)
		}
		clear(h.keys)
	}
	h.full = max(1000, 2*len(h.keys))
}

// end returns when the hold ends under which a value of key with this revision was loaded, or 0.
func (h *ownHolds) end(key string, loadedAt store.Time, revision uint64) store.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.keys[key]
	if x.end < h.rest.end {
		x = h.rest
	}
	if x.end < loadedAt || x.revision != 0 && revision >= x.revision {
		return 0
	}
	return x.end
}
