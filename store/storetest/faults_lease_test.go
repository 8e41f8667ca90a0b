package storetest_test

import (
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

var leaseFaults = []fault{
	{"all are granted the lease", []string{"Lease/one", "Lease/end notified"}, func(b *bent) {
		b.lease = func(key string, d time.Duration, not uint64) (store.Grant, error) {
			g, err := b.memory.Lease(bg, key, d, not)
			if g.State == store.Taken {
				return b.memory.Lease(bg, key, d, g.Holder)
			}
			return g, err
		}
	}},
	{"a fresh entry does not keep from loading", []string{"Lease/fresh", "FillLeased/keeps"}, func(b *bent) {
		b.lease = func(key string, d time.Duration, not uint64) (store.Grant, error) {
			if e, _ := b.memory.Get(bg, key); e.Version != 0 {
				not = e.Version
			}
			return b.memory.Lease(bg, key, d, not)
		}
	}},
	{"a version that does not count is not looked at, nor a lease", []string{"Lease/fresh", "Lease/holder"}, func(b *bent) {
		b.lease = func(key string, d time.Duration, _ uint64) (store.Grant, error) { return b.memory.Lease(bg, key, d, 0) }
	}},
	{"FillLeased loses the tags", []string{"FillLeased/keeps"}, func(b *bent) {
		b.fillLeased = func(key string, lease uint64, e entry) (entry, bool, error) {
			e.Tags = nil
			return b.memory.FillLeased(bg, key, lease, e)
		}
	}},
	{"FillLeased of an expired entry only ends the lease", []string{"FillLeased/expired"}, func(b *bent) {
		b.fillLeased = func(key string, lease uint64, e entry) (entry, bool, error) {
			if e.Expired(store.Now()) {
				return e, false, b.memory.Release(bg, key, lease, 0, "")
			}
			return b.memory.FillLeased(bg, key, lease, e)
		}
	}},
	{"FillLeased is Fill", []string{"FillLeased/keeps", "FillLeased/lost", "Lease/ends", "Lease/holder"}, func(b *bent) {
		b.fillLeased = func(key string, _ uint64, e entry) (entry, bool, error) { return b.memory.Fill(bg, key, e) }
	}},
	{"a lease does not end by itself", []string{"Lease/ends"}, func(b *bent) {
		b.lease = func(key string, _ time.Duration, not uint64) (store.Grant, error) {
			return b.memory.Lease(bg, key, time.Hour, not)
		}
	}},
	{"Renew does nothing", []string{"Lease/renewed", "Lease/ends", "FillLeased/lost"}, func(b *bent) {
		b.renew = func(string, uint64, time.Duration) error { return nil }
	}},
	{"there is no back-off", []string{"Lease/backed off"}, func(b *bent) {
		b.release = func(key string, lease uint64, _ time.Duration, why string) error {
			return b.memory.Release(bg, key, lease, 0, why)
		}
	}},
	{"a back-off has no reason", []string{"Lease/backed off"}, func(b *bent) {
		b.release = func(key string, lease uint64, backOff time.Duration, _ string) error {
			return b.memory.Release(bg, key, lease, backOff, "")
		}
	}},
	{"a lease is not overtaken by tags", []string{"Lease/overtaken"}, func(b *bent) {
		b.lease = func(key string, d time.Duration, not uint64) (store.Grant, error) {
			g, err := b.memory.Lease(bg, key, d, not)
			g.Overtaken = false
			return g, err
		}
	}},
	{"FillLeased takes the stamp of the present", []string{"Lease/overtaken", "FillLeased/no stamp"}, func(b *bent) {
		b.fillLeased = func(key string, lease uint64, e entry) (entry, bool, error) {
			e.Stamp, _ = b.memory.Stamp(bg)
			return b.memory.FillLeased(bg, key, lease, e)
		}
	}},
	{"FillLeased is never watched", []string{"FillLeased/watched"}, func(b *bent) {
		b.fillLeased = func(key string, lease uint64, e entry) (entry, bool, error) {
			kept, _, err := b.memory.FillLeased(bg, key, lease, e)
			return kept, false, err
		}
	}},
	{"the end of a lease is not notified", []string{"Lease/end notified"}, func(b *bent) {
		b.notifies(func(inv store.Invalidation) bool { return !inv.Released })
	}},
	{"what cannot be stored is noted, and forgotten", []string{"FillLeased/not storable"}, func(b *bent) {
		b.fillLeased = func(key string, lease uint64, e entry) (entry, bool, error) {
			kept, watched, err := b.memory.FillLeased(bg, key, lease, e)
			if err != nil && kept.Version != 0 {
				_ = b.memory.Delete(bg, key)
			}
			return kept, watched, err
		}
	}},
	{"LeaseMany mixes up the places", []string{"LeaseMany/places"}, func(b *bent) {
		b.leaseMany = func(keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
			grants, err := b.memory.LeaseMany(bg, keys, d, not)
			grants[0], grants[1] = grants[1], grants[0]
			return grants, err
		}
	}},
	{"Confirm keeps the times", []string{"Confirm/another life"}, func(b *bent) {
		b.confirm = func(key string, old, _ entry) (entry, bool, error) { return b.memory.Confirm(bg, key, old, old) }
	}},
	{"Confirm is of what is there", []string{"Confirm/changed"}, func(b *bent) {
		b.confirm = func(key string, _, e entry) (entry, bool, error) {
			now, _ := b.memory.Get(bg, key)
			return b.memory.Confirm(bg, key, now, e)
		}
	}},
	{"Revalidate returns what it is given", []string{"Revalidate/same", "Revalidate/changed"}, func(b *bent) {
		b.revalidate = func(_ string, e entry) (entry, error) { return e, nil }
	}},
	{"Revalidate does not watch", []string{"Revalidate/watched"}, func(b *bent) {
		var read sync.Map
		b.get = func(key string) (entry, error) {
			read.Store(key, true)
			return b.memory.Get(bg, key)
		}
		b.notifies(func(store.Invalidation) bool {
			_, ok := read.Load("k")
			return ok
		})
	}},
}

var holdFaults = []fault{
	{"BeginWrite is of one key", []string{"BeginWrite/removes"}, func(b *bent) {
		b.beginWrite = func(hold time.Duration, keys ...string) (uint64, error) {
			return b.memory.BeginWrite(bg, hold, keys[0])
		}
	}},
	{"BeginWrite takes any time", []string{"BeginWrite/no time"}, func(b *bent) {
		b.beginWrite = func(hold time.Duration, keys ...string) (uint64, error) {
			return b.memory.BeginWrite(bg, max(hold, time.Hour), keys...)
		}
	}},
	{"BeginWrite is Delete", []string{"BeginWrite/caps", "EndWrite/keeps"}, func(b *bent) {
		b.beginWrite = func(_ time.Duration, keys ...string) (uint64, error) { return 1, b.memory.Delete(bg, keys...) }
	}},
	{"EndWrite keeps nothing", []string{"EndWrite/keeps"}, func(b *bent) {
		b.endWrite = func(token uint64, _ map[string]entry, keys ...string) error {
			return b.memory.EndWrite(bg, token, nil, keys...)
		}
	}},
	{"EndWrite is SetMany", []string{"EndWrite/another write"}, func(b *bent) {
		b.endWrite = func(_ uint64, entries map[string]entry, _ ...string) error { return b.memory.SetMany(bg, entries) }
	}},
	{"EndWrite leaves the hold", []string{"BeginWrite/caps"}, func(b *bent) {
		b.endWrite = func(_ uint64, _ map[string]entry, keys ...string) error { return b.memory.Delete(bg, keys...) }
	}},
	{"EndWrite ends holds of others", []string{"EndWrite/another write"}, func(b *bent) {
		begun := make(map[string]int) // by key: how many write intents share one hold
		b.beginWrite = func(hold time.Duration, keys ...string) (uint64, error) {
			if begun[keys[0]]++; begun[keys[0]] > 1 {
				return 1 << 60, nil
			}
			return b.memory.BeginWrite(bg, hold, keys...)
		}
		b.endWrite = func(token uint64, entries map[string]entry, keys ...string) error {
			if begun[keys[0]] > 1 {
				entries = nil
			}
			return b.memory.EndWrite(bg, token, entries, keys...)
		}
	}},
	{"DeleteHolding is Delete", []string{"DeleteHolding/caps", "DeleteHolding/revision"}, func(b *bent) {
		b.deleteHolding = func(_ store.Hold, keys ...string) error { return b.memory.Delete(bg, keys...) }
	}},
	{"DeleteHolding does not look at the revision", []string{"DeleteHolding/revision"}, func(b *bent) {
		b.deleteHolding = func(h store.Hold, keys ...string) error {
			return b.memory.DeleteHolding(bg, store.Hold{For: h.For}, keys...)
		}
	}},
	{"DeleteHolding takes any time", []string{"DeleteHolding/no time"}, func(b *bent) {
		b.deleteHolding = func(h store.Hold, keys ...string) error {
			h.For = max(h.For, 0)
			return b.memory.DeleteHolding(bg, h, keys...)
		}
	}},
	{"MarkStale is Delete", []string{"MarkStale/stale"}, func(b *bent) {
		b.markStale = func(keys ...string) error { return b.memory.Delete(bg, keys...) }
	}},
	{"MarkStale does nothing", []string{"MarkStale/stale", "Watch/own changes", "Revalidate/changed"}, func(b *bent) {
		b.markStale = func(...string) error { return nil }
	}},
}

var readFaults = []fault{
	{"View loses the tags", []string{"View/shows"}, func(b *bent) {
		b.view = func(key string) (*entry, error) {
			e, err := b.memory.View(bg, key)
			if e != nil {
				e.Tags = nil
			}
			return e, err
		}
	}},
	{"View shows what is written over", []string{"View/stays"}, func(b *bent) {
		var shown entry
		b.view = func(key string) (*entry, error) {
			e, err := b.memory.Get(bg, key)
			shown = e
			return &shown, err
		}
		b.set = func(key string, e entry) error {
			shown = e
			return b.memory.Set(bg, key, e)
		}
	}},
}

var stampFaults = []fault{
	{"Set takes the stamp of the present", []string{"Stamp/before"}, kept(func(e *entry) { e.Stamp = 0 })},
	{"a miss has no version", []string{"Stamp/before"}, seen(func(e *entry, err *error) {
		if *err != nil && !e.Absent {
			*e = entry{}
		}
	})},
	{"all tags are current", []string{"Current/changes"}, func(b *bent) {
		b.current = func([]string, uint64) (ok, known bool) { return true, true }
	}},
	{"any invalidation is of all tags", []string{"Current/changes"}, func(b *bent) {
		b.current = func(_ []string, stamp uint64) (ok, known bool) {
			now, _ := b.memory.Stamp(bg)
			return stamp == 0 || stamp >= now, true
		}
	}},
	{"all tags are recalled", []string{"Recall/changes"}, func(b *bent) {
		b.recall = func([]string, uint64) bool { return true }
	}},
	{"no tag is recalled", []string{"Recall/changes"}, func(b *bent) {
		b.recall = func([]string, uint64) bool { return false }
	}},
}

var connectionFaults = []fault{
	{"functions that are nil are called", []string{"Watch/not all functions"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) {
			changed := w.Changed
			w.Changed = func(inv store.Invalidation) { changed(inv) }
		})
	}},
	{"MaxStale changes", []string{"MaxStale/asks"}, func(b *bent) {
		b.maxStale = func() time.Duration { return time.Duration(time.Now().UnixNano()) }
	}},
	{"Connected is not called at first", []string{"Connected/at once", "Connected/lost"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) {
			first, connected := true, w.Connected
			w.Connected = func(is bool) {
				if !first && connected != nil {
					connected(is)
				}
				first = false
			}
		})
	}},
	{"Connected is called after stop", []string{"Connected/at once", "RolledBack/before"}, func(b *bent) { b.watch = watchForever(b) }},
	{"a lost connection is not noticed", []string{"Connected/lost"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) {
			if w.Connected != nil {
				w.Connected(true)
				w.Connected = nil
			}
		})
	}},
	{"All is not notified", []string{"Connected/lost", "RolledBack/before"}, withoutAll},
	{"a rollback is not noticed", []string{"RolledBack/before"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) { w.RolledBack = nil })
	}},
	{"every Delete is a rollback", []string{"RolledBack/quiet"}, func(b *bent) {
		b.bendsWatch(func(w *store.Watching) {
			rolledBack := w.RolledBack
			b.delete = func(keys ...string) error {
				rolledBack()
				return b.memory.Delete(bg, keys...)
			}
		})
	}},
}
