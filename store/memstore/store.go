// Package memstore keeps entries in a plain map under one mutex. It has every
// capability of package store and does exactly what the contract says, at once,
// which makes it the reference to read, and a stand-in for a shared store in
// tests and examples. In production use an engine that decides well what to
// evict, and that does not make all goroutines wait for one another.
package memstore

import (
	"context"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// Options are the options of a [Store]. The zero value and nil are the defaults.
type Options struct {
	// MaxEntries is the number of entries and counters that are held at most;
	// another one then takes the place of any. Zero or less: no bound.
	MaxEntries int
}

// A Store keeps entries in memory until they are removed, replaced or evicted.
// Expired entries are not returned, but their memory is only given back when
// their key is used again. Calls do their work even if their context is done.
type Store[T any] struct {
	*data[T]
	stats    store.Stats     // under data.mu
	samplers []*func(string) // the same
}

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Tagger          = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.Watcher         = (*Store[int])(nil)
	_ store.Filler[int]     = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
	_ store.Refresher[int]  = (*Store[int])(nil)
	_ store.HitSampler      = (*Store[int])(nil)
	_ store.HotKeeper       = (*Store[int])(nil)
)

// data is what a store shares with its peers.
type data[T any] struct {
	mu      sync.Mutex
	items   map[string]item[T]
	max     int
	version uint64 // of the last write
	claims  map[refresh]claim
	hot     []store.Hot // those with the most reads first
	hotAt   time.Time   // when they were last added to
	closed  bool

	watch sync.RWMutex // read-locked while watchers are called
	told  map[*watcher[T]]bool
}

// An item is an entry, or a counter: then only ExpiresAt of the entry is used.
type item[T any] struct {
	store.Entry[T]
	counter bool
	sum     int64
}

// New returns an empty store.
func New[T any](o *Options) *Store[T] {
	d := &data[T]{items: make(map[string]item[T]), told: make(map[*watcher[T]]bool), claims: make(map[refresh]claim)}
	if o != nil {
		d.max = o.MaxEntries
	}
	return &Store[T]{data: d}
}

// Peer returns another store over the data of s, as another process would have
// it: it has its own counters of what it did, and Fill through one is told to
// the watchers of the other.
func (s *Store[T]) Peer() *Store[T] { return &Store[T]{data: s.data} }

// Close drops everything. From then on all calls to s and its peers return an
// error that is [store.ErrClosed], but for Close itself.
func (s *Store[T]) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	clear(s.items)
	return nil
}

// Get implements [store.Store].
func (s *Store[T]) Get(_ context.Context, key string) (store.Entry[T], error) {
	if err := s.begin("get", key); err != nil {
		return store.Entry[T]{}, err
	}
	defer s.mu.Unlock()
	e, ok := s.read(key)
	if !ok {
		return store.Entry[T]{}, store.ErrNotFound
	}
	return e, e.MissError()
}

// Set implements [store.Store].
func (s *Store[T]) Set(_ context.Context, key string, e store.Entry[T]) error {
	if err := s.begin("set", key); err != nil {
		return err
	}
	s.write(key, e)
	s.mu.Unlock()
	s.tell(nil, key)
	return nil
}

// Delete implements [store.Store].
func (s *Store[T]) Delete(_ context.Context, keys ...string) error {
	if err := s.begin("delete", ""); err != nil {
		return err
	}
	for _, key := range keys {
		if _, ok := s.find(key); ok {
			s.remove(key)
		}
	}
	s.mu.Unlock()
	s.tell(nil, keys...)
	return nil
}

// begin locks the data for an operation, unless it returns an error.
func (s *Store[T]) begin(op, key string) error {
	s.mu.Lock()
	if !s.closed {
		return nil
	}
	s.stats.Errors++
	s.mu.Unlock()
	return failure(op, key, store.ErrClosed)
}

func failure(op, key string, err error) error {
	return &store.Error{Store: "memory", Op: op, Key: key, Err: err}
}

// find returns the item under key, unless it has expired. The data is locked.
func (s *Store[T]) find(key string) (item[T], bool) {
	it, ok := s.items[key]
	if ok && it.Expired(store.Now()) {
		delete(s.items, key)
		return item[T]{}, false
	}
	return it, ok
}

// read is find for an entry, and counts. The data is locked.
func (s *Store[T]) read(key string) (store.Entry[T], bool) {
	it, ok := s.find(key)
	if !ok || it.counter {
		s.stats.Misses++
		return store.Entry[T]{}, false
	}
	s.stats.Hits++
	for _, fn := range s.samplers {
		(*fn)(key)
	}
	return it.Entry, true
}

// write keeps e under key, or removes what is there if e has expired, and
// returns what is kept. The data is locked.
func (s *Store[T]) write(key string, e store.Entry[T]) (kept store.Entry[T], ok bool) {
	s.stats.Sets++
	if e.Expired(store.Now()) {
		delete(s.items, key)
		return e, false
	}
	if e.Version == 0 { // else it is a copy of what another tier keeps
		s.version++
		e.Version = s.version
	}
	s.keep(key, item[T]{Entry: e})
	return e, true
}

// keep puts it under key and makes room for it if need be. The data is locked.
func (s *Store[T]) keep(key string, it item[T]) {
	if _, ok := s.items[key]; !ok && s.max > 0 && len(s.items) >= s.max {
		for victim := range s.items {
			delete(s.items, victim)
			s.stats.Evictions++
			break
		}
	}
	s.items[key] = it
}

// remove removes the item under key, which is there. The data is locked.
func (s *Store[T]) remove(key string) {
	delete(s.items, key)
	s.stats.Deletes++
}
