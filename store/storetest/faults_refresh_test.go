package storetest_test

import (
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

var refreshFaults = []fault{
	{"Replace loses the tags", []string{"Replace/keeps"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			e.Tags = nil
			return b.memory.Replace(bg, key, version, e)
		}
	}},
	{"Replace keeps the version", []string{"Replace/keeps", "Replace/changed"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			if now, err := b.memory.Get(bg, key); err != nil && !now.Absent || now.Version != version {
				return entry{}, false, store.ErrChanged
			}
			e.Version = version
			return b.memory.Fill(bg, key, e)
		}
	}},
	{"Replace does not compare", []string{"Replace/changed", "Replace/one wins"}, func(b *bent) {
		b.replace = func(key string, _ uint64, e entry) (entry, bool, error) { return b.memory.Fill(bg, key, e) }
	}},
	{"Replace compares first and writes then", []string{"Replace/one wins"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			if now, _ := b.memory.Get(bg, key); now.Version != version {
				return entry{}, false, store.ErrChanged
			}
			time.Sleep(100 * time.Microsecond)
			return b.memory.Fill(bg, key, e)
		}
	}},
	{"a Replace that is refused removes", []string{"Replace/changed"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			kept, watched, err := b.memory.Replace(bg, key, version, e)
			if err != nil {
				b.memory.Delete(bg, key)
			}
			return kept, watched, err
		}
	}},
	{"Replace by an expired entry does nothing", []string{"Replace/expired"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			if e.Expired(store.Now()) {
				return e, false, nil
			}
			return b.memory.Replace(bg, key, version, e)
		}
	}},
	{"Replace is notified to its own watcher", []string{"Replace/watched"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			return b.memory.Peer().Replace(bg, key, version, e)
		}
	}},
	{"Replace is never watched", []string{"Replace/watched", "Replace/changes notified"}, func(b *bent) {
		b.replace = func(key string, version uint64, e entry) (entry, bool, error) {
			kept, _, err := b.memory.Replace(bg, key, version, e)
			return kept, false, err
		}
	}},
	{"only Set and Fill are notified", []string{"Replace/notified to peers"}, func(b *bent) {
		b.notifies(func(inv store.Invalidation) bool {
			if len(inv.Keys) != 1 {
				return true
			}
			e, _ := b.memory.Peer().Get(bg, inv.Keys[0])
			return e.Value.Number < 100
		})
	}},
	{"every claim is granted", []string{"Claim/one", "Claim/peers", "Claim/is prolonged"}, func(b *bent) {
		b.claim = func(string, uint64, time.Duration) (store.Grant, error) {
			return store.Grant{State: store.Granted, Lease: 1}, nil
		}
	}},
	{"a claim that is refused does not say for how long", []string{"Claim/one"}, func(b *bent) {
		b.claim = func(key string, version uint64, d time.Duration) (store.Grant, error) {
			g, err := b.memory.Claim(bg, key, version, d)
			if g.State == store.Taken {
				g.Left = 0
			}
			return g, err
		}
	}},
	{"a claim is of a key", []string{"Claim/of a version"}, func(b *bent) {
		b.claim = func(key string, _ uint64, d time.Duration) (store.Grant, error) { return b.memory.Claim(bg, key, 0, d) }
	}},
	{"a claim does not end", []string{"Claim/ends"}, func(b *bent) {
		b.claim = func(key string, version uint64, _ time.Duration) (store.Grant, error) {
			return b.memory.Claim(bg, key, version, time.Hour)
		}
	}},
	{"a claim that was lost ends that of another", []string{"Claim/ends"}, func(b *bent) {
		var mu sync.Mutex
		last := map[string]uint64{}
		b.claim = func(key string, version uint64, d time.Duration) (store.Grant, error) {
			mu.Lock()
			defer mu.Unlock()
			g, err := b.memory.Claim(bg, key, version, d)
			if g.State == store.Granted {
				last[key] = g.Lease
			}
			return g, err
		}
		b.endClaim = func(key string, version, _ uint64, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			return b.memory.EndClaim(bg, key, version, last[key], d)
		}
	}},
	{"EndClaim only ends at once", []string{"Claim/ends", "Claim/is prolonged"}, func(b *bent) {
		b.endClaim = func(key string, version, claim uint64, d time.Duration) error {
			if d > 0 {
				return nil
			}
			return b.memory.EndClaim(bg, key, version, claim, d)
		}
	}},
	{"a claim is kept in the entry", []string{"Claim/unnoticed"}, func(b *bent) {
		b.claim = func(key string, version uint64, d time.Duration) (store.Grant, error) {
			if e, err := b.memory.Get(bg, key); err == nil {
				b.memory.Peer().Replace(bg, key, e.Version, e)
			}
			return b.memory.Claim(bg, key, version, d)
		}
	}},
}
