package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

var errBoom = errors.New("boom")

// A fault is one way to break the contract, and the rules that must notice.
type fault struct {
	what  string
	rules []string
	bend  func(b *bent)
}

// seen bends what Get returns.
func seen(do func(e *entry, err *error)) func(b *bent) {
	return func(b *bent) {
		get := b.get
		b.get = func(key string) (entry, error) {
			e, err := get(key)
			do(&e, &err)
			return e, err
		}
	}
}

// kept bends what Set keeps.
func kept(do func(e *entry)) func(b *bent) {
	return func(b *bent) {
		b.set = func(key string, e entry) error {
			do(&e)
			return b.memory.Set(bg, key, e)
		}
	}
}

var coreFaults = []fault{
	{"a miss is wrapped", []string{"Get/miss", "Delete/one", "Delete/several", "Expiry/expires"},
		seen(func(_ *entry, err *error) {
			if *err != nil {
				*err = fmt.Errorf("memory: %w", *err)
			}
		})},
	{"a nested value is lost", []string{"Set/get"}, kept(func(e *entry) { e.Value.Inner = nil })},
	{"times lose their nanoseconds", []string{"Set/get"}, kept(func(e *entry) { e.Value.At = e.Value.At.Truncate(time.Microsecond) })},
	{"large values are cut", []string{"Set/large"},
		kept(func(e *entry) { e.Value.Bytes = e.Value.Bytes[:min(len(e.Value.Bytes), 64<<10)] })},
	{"an absent entry comes without an error", []string{"Set/absent", "Set/replaces"},
		seen(func(e *entry, err *error) {
			if e.Absent {
				*err = nil
			}
		})},
	{"absence is forgotten", []string{"Set/absent", "Set/replaces"}, kept(func(e *entry) { e.Absent = false })},
	{"an absent entry keeps the old value", []string{"Set/absent"},
		seen(func(e *entry, _ *error) {
			if e.Absent {
				e.Value.Text = "old"
			}
		})},
	{"expiry has whole seconds", []string{"Set/fields"}, kept(func(e *entry) { e.ExpiresAt -= e.ExpiresAt % 1000; e.ExpiresAt += 500 * min(1, e.ExpiresAt) })},
	{"the soft expiry is lost", []string{"Set/fields"}, kept(func(e *entry) { e.StaleAt = 0 })},
	{"tags are lost", []string{"Set/fields"}, kept(func(e *entry) { e.Tags = nil })},
	{"a late StaleAt is taken as none left", []string{"Set/stale past expiry"},
		kept(func(e *entry) {
			if e.StaleAt > e.ExpiresAt && e.ExpiresAt != 0 {
				e.StaleAt = store.Now()
			}
		})},
	{"LoadedAt is lost", []string{"Set/loaded at"}, kept(func(e *entry) { e.LoadedAt = 0 })},
	{"LoadedAt is the time of the Set", []string{"Set/loaded at"}, kept(func(e *entry) { e.LoadedAt = store.Now() })},
	{"LoadTime is lost", []string{"Set/load time"}, kept(func(e *entry) { e.LoadTime = 0 })},
	{"LoadTime is rounded down", []string{"Set/load time"}, kept(func(e *entry) { e.LoadTime = e.LoadTime.Truncate(time.Millisecond) })},
	{"all versions are one", []string{"Set/version"}, seen(func(e *entry, _ *error) { e.Version = 7 })},
	{"versions differ at each Get", []string{"Set/version"}, func(b *bent) {
		var n uint64
		seen(func(e *entry, _ *error) { n++; e.Version = n })(b)
	}},
	{"what was set before shows through", []string{"Set/replaces", "Expiry/shortened and prolonged"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			if old, err := b.memory.Get(bg, key); err == nil {
				e.Tags = append(slices.Clip(e.Tags), old.Tags...)
				if old.ExpiresAt != 0 && (e.ExpiresAt == 0 || old.ExpiresAt < e.ExpiresAt) {
					e.ExpiresAt = old.ExpiresAt
				}
			}
			return b.memory.Set(bg, key, e)
		}
	}},
	{"Delete does nothing", []string{"Delete/one", "Delete/missing", "Context/work", "Keys/odd"},
		func(b *bent) { b.delete = func(...string) error { return nil } }},
	{"Delete takes the first key only", []string{"Delete/several", "Delete/missing"},
		func(b *bent) {
			b.delete = func(keys ...string) error { return b.memory.Delete(bg, keys[:min(1, len(keys))]...) }
		}},
	{"Delete takes everything", []string{"Delete/one", "Delete/several", "Delete/missing"},
		func(b *bent) { b.delete = func(...string) error { return b.memory.Clear(bg) } }},
	{"Delete of a missing key is an error", []string{"Delete/missing"}, func(b *bent) {
		b.delete = func(keys ...string) error {
			for _, key := range keys {
				if ok, err := b.memory.Exists(bg, key); !ok {
					return errors.Join(store.ErrNotFound, err)
				}
			}
			return b.memory.Delete(bg, keys...)
		}
	}},
	{"keys are folded", []string{"Keys/odd", "GetMany/odd keys", "Add/odd keys"}, func(b *bent) {
		b.get = func(key string) (entry, error) { return b.memory.Get(bg, mangleCase(key)) }
		b.set = func(key string, e entry) error { return b.memory.Set(bg, mangleCase(key), e) }
		b.delete = func(keys ...string) error { return b.memory.Delete(bg, mangleCase(keys[0])) }
		b.getMany = func(ks []string) ([]*entry, error) {
			folded := make([]string, len(ks))
			for i, key := range ks {
				folded[i] = mangleCase(key)
			}
			return b.memory.GetMany(bg, folded)
		}
		b.setMany = func(entries map[string]entry) error {
			for key, e := range entries {
				if err := b.set(key, e); err != nil {
					return err
				}
			}
			return nil
		}
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			return b.memory.Add(bg, mangleCase(key), delta, ttl)
		}
	}},
	{"keys end at a NUL", []string{"Keys/odd"}, func(b *bent) {
		cut := func(key string) string { key, _, _ = strings.Cut(key, "\x00"); return key }
		b.get = func(key string) (entry, error) { return b.memory.Get(bg, cut(key)) }
		b.set = func(key string, e entry) error { return b.memory.Set(bg, cut(key), e) }
	}},
	{"long keys are cut", []string{"Keys/odd"}, func(b *bent) {
		cut := func(key string) string { return key[:min(len(key), 250)] }
		b.get = func(key string) (entry, error) { return b.memory.Get(bg, cut(key)) }
		b.set = func(key string, e entry) error { return b.memory.Set(bg, cut(key), e) }
	}},
	{"entries live a minute longer", []string{"Expiry/expires", "Expiry/shortened and prolonged"}, kept(func(e *entry) {
		if e.ExpiresAt > store.Now() {
			e.ExpiresAt += 60_000
		}
	})},
	{"entries live half as long", []string{"Set/fields"}, kept(func(e *entry) {
		if now := store.Now(); e.ExpiresAt > now {
			e.ExpiresAt -= (e.ExpiresAt - now) / 2
		}
	})},
	{"an expired entry is not set, and the old one stays", []string{"Expiry/set expired"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			if e.Expired(store.Now()) {
				return nil
			}
			return b.memory.Set(bg, key, e)
		}
	}},
	{"stale entries are hidden", []string{"Expiry/stale"}, seen(func(e *entry, err *error) {
		if e.Stale(store.Now()) {
			*e, *err = entry{}, store.ErrNotFound
		}
	})},
	{"a done context gives a foreign error", []string{"Context/done"},
		func(b *bent) { b.withContext = func(ctx context.Context) error { return hide(ctx.Err()) } }},
	{"a done context makes Set and Delete do nothing in silence", []string{"Context/work"}, func(b *bent) {
		var done bool // as the last call said
		b.withContext = func(ctx context.Context) error { done = ctx.Err() != nil; return nil }
		b.set = func(key string, e entry) error {
			if done {
				return nil
			}
			return b.memory.Set(bg, key, e)
		}
	}},
	{"a closed store is unavailable", []string{"Closed/errors"}, seen(func(_ *entry, err *error) {
		if errors.Is(*err, store.ErrClosed) {
			*err = store.ErrUnavailable
		}
	})},
	{"a closed store returns the bare sentinel", []string{"Closed/errors"}, seen(func(_ *entry, err *error) {
		if errors.Is(*err, store.ErrClosed) {
			*err = store.ErrClosed
		}
	})},
	{"errors show values", []string{"Closed/values"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			if err := b.memory.Set(bg, key, e); err != nil {
				return fmt.Errorf("value %s: %w", e.Value.Text, err)
			}
			return nil
		}
	}},
	{"Set is done later", []string{"Concurrent/own keys"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			go func() {
				runtime.Gosched()
				_ = b.memory.Set(bg, key, e)
			}()
			return nil
		}
	}},
	{"Get returns the value before now and then", []string{"Concurrent/one writer", "Concurrent/own keys"}, func(b *bent) {
		var mu sync.Mutex
		previous, n := map[string]entry{}, 0
		b.set = func(key string, e entry) error {
			old, err := b.memory.Get(bg, key)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				previous[key] = old
			}
			return b.memory.Set(bg, key, e)
		}
		b.get = func(key string) (entry, error) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%7 == 0 && previous[key].Value.Number > 0 {
				return previous[key], nil
			}
			return b.memory.Get(bg, key)
		}
	}},
	{"two calls at once fail", []string{"Concurrent/everything"}, func(b *bent) {
		var mu sync.Mutex
		b.withContext = func(context.Context) error {
			if !mu.TryLock() {
				return errBoom
			}
			defer mu.Unlock()
			time.Sleep(100 * time.Microsecond) // long enough for the others to come
			return nil
		}
	}},
}

func hide(err error) error {
	if err != nil {
		return errBoom
	}
	return nil
}

var manyFaults = []fault{
	{"GetMany returns the zero entry for a miss", []string{"GetMany/partial", "GetMany/none", "GetMany/expired"}, func(b *bent) {
		b.getMany = func(keys []string) ([]*entry, error) {
			found := make([]*entry, len(keys))
			for i, key := range keys {
				e, _ := b.memory.Get(bg, key)
				found[i] = &e
			}
			return found, nil
		}
	}},
	{"GetMany loses the tags", []string{"GetMany/fields"}, func(b *bent) {
		b.getMany = func(keys []string) ([]*entry, error) {
			found, err := b.memory.GetMany(bg, keys)
			return mangleFound(found, func(e *entry) { e.Tags = nil }), err
		}
	}},
	{"GetMany has another version", []string{"GetMany/fields"}, func(b *bent) {
		b.getMany = func(keys []string) ([]*entry, error) {
			found, err := b.memory.GetMany(bg, keys)
			return mangleFound(found, func(e *entry) { e.Version++ }), err
		}
	}},
	{"GetMany leaves absent entries out", []string{"GetMany/absent"}, func(b *bent) {
		b.getMany = func(keys []string) ([]*entry, error) {
			found, err := b.memory.GetMany(bg, keys)
			for i, e := range found {
				if e != nil && e.Absent {
					found[i] = nil
				}
			}
			return found, err
		}
	}},
	{"GetMany closes gaps", []string{"GetMany/places"}, func(b *bent) {
		b.getMany = func(keys []string) (found []*entry, err error) {
			all, err := b.memory.GetMany(bg, keys)
			for _, e := range all {
				if e != nil {
					found = append(found, e)
				}
			}
			return append(found, make([]*entry, len(all)-len(found))...), err
		}
	}},
	{"GetMany takes 500 keys", []string{"GetMany/thousand"}, func(b *bent) {
		b.getMany = func(keys []string) ([]*entry, error) { return b.memory.GetMany(bg, keys[:min(500, len(keys))]) }
	}},
	{"SetMany loses the expiry", []string{"SetMany/sets"}, func(b *bent) {
		b.setMany = func(entries map[string]entry) error {
			return b.memory.SetMany(bg, mangleEntries(entries, func(e *entry) { e.ExpiresAt = 0 }))
		}
	}},
	{"SetMany of nothing is an error", []string{"SetMany/none"}, func(b *bent) {
		b.setMany = func(entries map[string]entry) error {
			if len(entries) == 0 {
				return errBoom
			}
			return b.memory.SetMany(bg, entries)
		}
	}},
}
