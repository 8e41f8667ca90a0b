package storetest_test

import (
	"runtime"
	"time"

	"github.com/lokroom/strata/store"
)

// compared bends SetNewer to keep an entry if so says.
func compared(so func(there, e *entry) bool) func(b *bent) {
	return func(b *bent) {
		b.setNewer = func(key string, e entry) (bool, error) {
			there, err := b.memory.Get(bg, key)
			if (err == nil || there.Absent) && !e.Expired(store.Now()) && !so(&there, &e) {
				return false, nil
			}
			return true, b.memory.Set(bg, key, e)
		}
	}
}

var reviseFaults = []fault{
	{"the last one stands", []string{"SetNewer/older", "SetNewer/same"},
		compared(func(_, _ *entry) bool { return true })},
	{"the first one stands", []string{"SetNewer/newer", "SetNewer/what is there"},
		compared(func(there, _ *entry) bool { return there.Revision == 0 })},
	{"the same one is kept", []string{"SetNewer/same"},
		compared(func(there, e *entry) bool { return there.Revision <= e.Revision })},
	{"what has no revision stands", []string{"SetNewer/newer"},
		compared(func(there, e *entry) bool { return there.Revision < e.Revision })},
	{"revisions are floats", []string{"SetNewer/newer"},
		compared(func(there, e *entry) bool { return float64(there.Revision) < float64(e.Revision) })},
	{"revisions are signed", []string{"SetNewer/older", "SetNewer/newer"},
		compared(func(there, e *entry) bool { return int64(there.Revision) < int64(e.Revision) })},
	{"an absent entry is none", []string{"SetNewer/older"},
		compared(func(there, e *entry) bool { return there.Absent || !there.Supersedes(e) })},
	{"a stale entry is none", []string{"SetNewer/older"},
		compared(func(there, e *entry) bool { return there.Stale(store.Now()) || !there.Supersedes(e) })},
	{"Set does not keep the revision", []string{"SetNewer/keeps"}, kept(func(e *entry) { e.Revision = 0 })},
	{"Set leaves a newer one", []string{"SetNewer/what is there"}, func(b *bent) {
		b.set = func(key string, e entry) error { _, err := b.memory.SetNewer(bg, key, e); return err }
	}},
	{"the newest is remembered", []string{"SetNewer/what is there"}, func(b *bent) {
		newest := map[string]entry{}
		b.setNewer = func(key string, e entry) (bool, error) {
			if there := newest[key]; there.Supersedes(&e) {
				return false, nil
			}
			newest[key] = e
			return b.memory.SetNewer(bg, key, e)
		}
	}},
	{"an expired one is nothing", []string{"SetNewer/expired"}, func(b *bent) {
		b.setNewer = func(key string, e entry) (bool, error) {
			if e.Expired(store.Now()) {
				return true, nil
			}
			return b.memory.SetNewer(bg, key, e)
		}
	}},
	{"an expired one counts", []string{"SetNewer/expired"}, func(b *bent) {
		b.setNewer = func(key string, e entry) (bool, error) {
			if there, err := b.memory.Get(bg, key); err == nil && there.Supersedes(&e) {
				return false, nil
			}
			return b.memory.SetNewer(bg, key, e)
		}
	}},
	{"comparing and setting are two steps", []string{"SetNewer/any order"}, func(b *bent) {
		b.setNewer = func(key string, e entry) (bool, error) {
			if there, err := b.memory.Get(bg, key); err == nil && there.Supersedes(&e) {
				return false, nil
			}
			runtime.Gosched()
			time.Sleep(time.Microsecond)
			return true, b.memory.Set(bg, key, e)
		}
	}},
	{"SetIfAbsent is Set", []string{"SetIfAbsent/there", "SetIfAbsent/one"}, func(b *bent) {
		b.setIfAbsent = func(key string, e entry) (bool, error) { return true, b.memory.Set(bg, key, e) }
	}},
	{"an absent entry is a value", []string{"SetIfAbsent/keeps"}, func(b *bent) {
		b.setIfAbsent = func(key string, e entry) (bool, error) {
			if there, _ := b.memory.Get(bg, key); there.Absent {
				return false, nil
			}
			return b.memory.SetIfAbsent(bg, key, e)
		}
	}},
	{"a stale value is none", []string{"SetIfAbsent/there"}, func(b *bent) {
		b.setIfAbsent = func(key string, e entry) (bool, error) {
			if there, err := b.memory.Get(bg, key); err == nil && !there.Stale(store.Now()) {
				return false, nil
			}
			return true, b.memory.Set(bg, key, e)
		}
	}},
	{"looking and adding are two steps", []string{"SetIfAbsent/one"}, func(b *bent) {
		b.setIfAbsent = func(key string, e entry) (bool, error) {
			if there, err := b.memory.Get(bg, key); err == nil && !there.Absent {
				return false, nil
			}
			runtime.Gosched()
			time.Sleep(time.Microsecond)
			return true, b.memory.Set(bg, key, e)
		}
	}},
	{"SetNewer is not notified", []string{"Watch/own changes"}, func(b *bent) {
		b.setNewer = func(key string, e entry) (bool, error) {
			_, _, err := b.memory.Fill(bg, key, e)
			return true, err
		}
	}},
}
