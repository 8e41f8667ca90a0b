package storetest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

type (
	value  = storetest.Value
	entry  = store.Entry[value]
	memory = memstore.Shared[value]
)

var bg = context.Background()

// A bent store is the reference store with some of its methods replaced.
type bent struct {
	*memory
	bends

	get           func(key string) (entry, error)
	set           func(key string, e entry) error
	delete        func(keys ...string) error
	getMany       func(keys []string) ([]*entry, error)
	setMany       func(entries map[string]entry) error
	ttl           func(key string) (time.Duration, error)
	expire        func(key string, ttl time.Duration) error
	exists        func(key string) (bool, error)
	add           func(key string, delta int64, ttl time.Duration) (int64, error)
	count         func(key string) (int64, error)
	deletePattern func(pattern string) (int, error)
	clear         func() error
	invalidate    func(tags ...string) error
	ping          func() error
	stats         func() (store.Stats, error)
	watch         func(w store.Watching) (func(), error)
	fill          func(key string, e entry) (entry, bool, error)
	setNewer      func(key string, e entry) (bool, error)
	setIfAbsent   func(key string, e entry) (bool, error)
	claim         func(key string, version uint64, d time.Duration) (store.Grant, error)
	endClaim      func(key string, version, claim uint64, d time.Duration) error
	replace       func(key string, version uint64, e entry) (entry, bool, error)
	sampleHits    func(fn func(string)) (int, func())
	addHot        func(hot []store.Hot, most int) error
	listHot       func(n int) ([]store.Hot, error)
	withContext   func(ctx context.Context) error // before Get, Set and Delete
}

// newBent returns a store over m that is bent by bend.
func newBent(m *memory, bend func(b *bent)) *bent {
	b := &bent{memory: m}
	b.get = func(key string) (entry, error) { return m.Get(bg, key) }
	b.set = func(key string, e entry) error { return m.Set(bg, key, e) }
	b.delete = func(keys ...string) error { return m.Delete(bg, keys...) }
	b.getMany = func(keys []string) ([]*entry, error) { return m.GetMany(bg, keys) }
	b.setMany = func(entries map[string]entry) error { return m.SetMany(bg, entries) }
	b.ttl = func(key string) (time.Duration, error) { return m.TTL(bg, key) }
	b.expire = func(key string, ttl time.Duration) error { return m.Expire(bg, key, ttl) }
	b.exists = func(key string) (bool, error) { return m.Exists(bg, key) }
	b.add = func(key string, delta int64, ttl time.Duration) (int64, error) { return m.Add(bg, key, delta, ttl) }
	b.deletePattern = func(pattern string) (int, error) { return m.DeletePattern(bg, pattern) }
	b.clear = func() error { return m.Clear(bg) }
	b.invalidate = func(tags ...string) error { return m.InvalidateTags(bg, tags...) }
	b.ping = func() error { return m.Ping(bg) }
	b.stats = func() (store.Stats, error) { return m.Stats(bg) }
	b.watch = m.Watch
	b.fill = func(key string, e entry) (entry, bool, error) { return m.Fill(bg, key, e) }
	b.setNewer = func(key string, e entry) (bool, error) { return m.SetNewer(bg, key, e) }
	b.setIfAbsent = func(key string, e entry) (bool, error) { return m.SetIfAbsent(bg, key, e) }
	b.count = func(key string) (int64, error) { return m.Count(bg, key) }
	b.claim = func(key string, version uint64, d time.Duration) (store.Grant, error) {
		return m.Claim(bg, key, version, d)
	}
	b.endClaim = func(key string, version, claim uint64, d time.Duration) error {
		return m.EndClaim(bg, key, version, claim, d)
	}
	b.replace = func(key string, version uint64, e entry) (entry, bool, error) { return m.Replace(bg, key, version, e) }
	b.sampleHits = m.SampleHits
	b.addHot = func(hot []store.Hot, most int) error { return m.AddHot(bg, hot, most) }
	b.listHot = func(n int) ([]store.Hot, error) { return m.ListHot(bg, n) }
	b.withContext = func(context.Context) error { return nil }
	bend(b)
	return b
}

func (b *bent) Get(ctx context.Context, key string) (entry, error) {
	if err := b.withContext(ctx); err != nil {
		return entry{}, err
	}
	return b.get(key)
}

func (b *bent) Set(ctx context.Context, key string, e entry) error {
	if err := b.withContext(ctx); err != nil {
		return err
	}
	return b.set(key, e)
}

func (b *bent) Delete(ctx context.Context, keys ...string) error {
	if err := b.withContext(ctx); err != nil {
		return err
	}
	return b.delete(keys...)
}

func (b *bent) GetMany(_ context.Context, keys []string) ([]*entry, error) {
	return b.getMany(keys)
}
func (b *bent) SetMany(_ context.Context, entries map[string]entry) error { return b.setMany(entries) }
func (b *bent) TTL(_ context.Context, key string) (time.Duration, error)  { return b.ttl(key) }
func (b *bent) Expire(_ context.Context, key string, ttl time.Duration) error {
	return b.expire(key, ttl)
}
func (b *bent) Exists(_ context.Context, key string) (bool, error) { return b.exists(key) }
func (b *bent) Add(_ context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	return b.add(key, delta, ttl)
}
func (b *bent) Count(_ context.Context, key string) (int64, error) { return b.count(key) }
func (b *bent) SetIfAbsent(_ context.Context, key string, e entry) (bool, error) {
	return b.setIfAbsent(key, e)
}
func (b *bent) DeletePattern(_ context.Context, pattern string) (int, error) {
	return b.deletePattern(pattern)
}
func (b *bent) Clear(context.Context) error                            { return b.clear() }
func (b *bent) InvalidateTags(_ context.Context, tags ...string) error { return b.invalidate(tags...) }
func (b *bent) SampleHits(fn func(string)) (int, func())               { return b.sampleHits(fn) }
func (b *bent) AddHot(_ context.Context, hot []store.Hot, most int) error {
	return b.addHot(hot, most)
}
func (b *bent) ListHot(_ context.Context, n int) ([]store.Hot, error) { return b.listHot(n) }
func (b *bent) Ping(context.Context) error                            { return b.ping() }
func (b *bent) Stats(context.Context) (store.Stats, error)            { return b.stats() }
func (b *bent) Watch(w store.Watching) (func(), error)                { return b.watch(w) }
func (b *bent) Fill(_ context.Context, key string, e entry) (entry, bool, error) {
	return b.fill(key, e)
}
func (b *bent) SetNewer(_ context.Context, key string, e entry) (bool, error) {
	return b.setNewer(key, e)
}
func (b *bent) Claim(_ context.Context, key string, version uint64, d time.Duration) (store.Grant, error) {
	return b.claim(key, version, d)
}
func (b *bent) EndClaim(_ context.Context, key string, version, claim uint64, d time.Duration) error {
	return b.endClaim(key, version, claim, d)
}
func (b *bent) Replace(_ context.Context, key string, version uint64, e entry) (entry, bool, error) {
	return b.replace(key, version, e)
}

// in bends b to a view of the keys that begin with prefix.
func in(prefix string) func(b *bent) {
	return func(b *bent) {
		b.get = func(key string) (entry, error) { return b.memory.Get(bg, prefix+key) }
		b.set = func(key string, e entry) error { return b.memory.Set(bg, prefix+key, e) }
		b.delete = func(keys ...string) error {
			for _, key := range keys {
				if err := b.memory.Delete(bg, prefix+key); err != nil {
					return err
				}
			}
			return nil
		}
		b.getMany = func(keys []string) ([]*entry, error) {
			full := make([]string, len(keys))
			for i, key := range keys {
				full[i] = prefix + key
			}
			return b.memory.GetMany(bg, full)
		}
		b.add = func(key string, delta int64, ttl time.Duration) (int64, error) {
			return b.memory.Add(bg, prefix+key, delta, ttl)
		}
		b.count = func(key string) (int64, error) { return b.memory.Count(bg, prefix+key) }
		b.deletePattern = func(pattern string) (int, error) {
			return b.memory.DeletePattern(bg, keys.Quote(prefix)+pattern)
		}
		b.clear = func() error {
			_, err := b.memory.DeletePattern(bg, keys.Quote(prefix)+"*")
			return err
		}
	}
}

// A view has those methods of a bent store that in bends.
type view struct{ b *bent }

func (v view) Get(ctx context.Context, key string) (entry, error) { return v.b.Get(ctx, key) }
func (v view) Set(ctx context.Context, key string, e entry) error { return v.b.Set(ctx, key, e) }
func (v view) Delete(ctx context.Context, keys ...string) error   { return v.b.Delete(ctx, keys...) }
func (v view) GetMany(ctx context.Context, keys []string) ([]*entry, error) {
	return v.b.GetMany(ctx, keys)
}
func (v view) Add(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	return v.b.Add(ctx, key, delta, ttl)
}
func (v view) Count(ctx context.Context, key string) (int64, error) { return v.b.Count(ctx, key) }
func (v view) DeletePattern(ctx context.Context, pattern string) (int, error) {
	return v.b.DeletePattern(ctx, pattern)
}
func (v view) Clear(ctx context.Context) error { return v.b.Clear(ctx) }

// tooLarge is the size of a value that cannot be stored.
const tooLarge = 2 << 20

// harness returns a harness for stores over memory that are bent by bend.
func harness(bend func(b *bent)) storetest.Harness {
	return storetest.Harness{
		Open: func(testing.TB) store.Store[value] {
			m := memstore.NewShared[value](nil)
			m.Limit(func(_ string, v value) error {
				if len(v.Bytes) >= tooLarge {
					return store.ErrTooLarge
				}
				return nil
			})
			return newBent(m, bend)
		},
		Close: func(s store.Store[value]) {
			if err := s.(*bent).memory.Close(); err != nil {
				panic(err)
			}
		},
		Peer: func(_ testing.TB, s store.Store[value]) store.Store[value] {
			return newBent(s.(*bent).memory.Peer(), bend)
		},
		Disconnect: func(s store.Store[value]) (reconnect func()) {
			s.(*bent).memory.Disconnect()
			return s.(*bent).memory.Reconnect
		},
		Rollback:      func(s store.Store[value]) { s.(*bent).memory.Snapshot()() },
		KeepsLoadedAt: true,
		TooLarge:      tooLarge,
	}
}

// neighbours returns a harness for two views of one memory, as bend and
// neighbour bend them.
func neighbours(bend, neighbour func(b *bent)) storetest.Harness {
	return storetest.Harness{
		Open: func(testing.TB) store.Store[value] { return view{newBent(memstore.NewShared[value](nil), bend)} },
		Neighbour: func(_ testing.TB, s store.Store[value]) store.Store[value] {
			return view{newBent(s.(view).b.memory, neighbour)}
		},
		KeepsLoadedAt: true,
	}
}

// minimal is a store without any capability.
type minimal struct{ m *memory }

func (s minimal) Get(ctx context.Context, key string) (entry, error) { return s.m.Get(ctx, key) }
func (s minimal) Set(ctx context.Context, key string, e entry) error { return s.m.Set(ctx, key, e) }
func (s minimal) Delete(ctx context.Context, keys ...string) error   { return s.m.Delete(ctx, keys...) }
func openMinimal(testing.TB) store.Store[value]                      { return minimal{memstore.NewShared[value](nil)} }
func mangleCase(key string) string                                   { return strings.ToLower(key) }
func mangleFound(in []*entry, do func(*entry)) []*entry {
	for _, e := range in {
		if e != nil {
			do(e)
		}
	}
	return in
}
func mangleEntries(in map[string]entry, do func(*entry)) map[string]entry {
	out := make(map[string]entry, len(in))
	for key, e := range in {
		do(&e)
		out[key] = e
	}
	return out
}
