// Package memstore keeps entries in plain maps under one mutex, and does exactly what
// the contract says, at once. A [Store] is for one process, such as the first tier of a
// test. A [Shared] store has every capability of package store: it is the reference to
// read, and a stand-in for a shared store in tests and examples. Several clients of it
// behave like several processes that share one Redis. In production use an engine that
// decides well what to evict, and that does not make all goroutines wait for one another.
package memstore

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
)

// Options are the options of a [Store]. The zero value and nil are the defaults.
type Options struct {
	// MaxEntries is the number of entries and counters that are held at most;
	// another one then takes the place of any. Zero or less: no bound.
	MaxEntries int

	// MaxStale is how long a copy of an entry of a [Shared] store may be served after the
	// read that confirmed it. If it is positive, watchers are notified only of changes made
	// through their own client: see [store.Watcher].MaxStale. Zero: watchers are notified of all
	// changes.
	MaxStale time.Duration
}

// A Store keeps entries in memory until they are removed, replaced or evicted.
// Expired entries, leases and holds have no effect, but their memory is only given back
// when their key is used again. Calls do their work even if their context is done.
type Store[T any] struct {
	*data[T]
	stats    store.Stats       // under data.mu
	samplers []*func(string)   // the same
	offline  bool              // the same: Disconnect was called
	lastTags map[string]uint64 // the same: the tags when that was
	before   func(op, key string)
}

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.Watcher         = (*Store[int])(nil)
	_ store.Filler[int]     = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
	_ store.HitSampler      = (*Store[int])(nil)
	_ store.HotKeeper       = (*Store[int])(nil)
)

// data is what a store shares with its peers.
type data[T any] struct {
	mu sync.Mutex
	contents[T]
	max      int
	maxStale time.Duration
	shared   bool   // the stores are Shared
	lastID   uint64 // names writes, leases, claims and write intents
	clock    uint64 // counts the invalidations of tags
	claims   map[refresh]claim
	hot      []store.Hot // those with the most reads first
	hotAt    time.Time   // when they were last added to
	storable func(key string, value T) error
	closed   bool

	watch    sync.RWMutex // read-locked while watchers are called
	watchers map[*watcher[T]]bool
}

// contents is what a rollback restores.
type contents[T any] struct {
	items  map[string]item[T]
	leases map[string]lease
	holds  map[string]hold
	tags   map[string]uint64 // the clock at their last invalidation
}

func (c *contents[T]) clone() contents[T] {
	return contents[T]{maps.Clone(c.items), maps.Clone(c.leases), maps.Clone(c.holds), maps.Clone(c.tags)}
}

// An item is an entry, or a counter: then only ExpiresAt of the entry is used.
type item[T any] struct {
	store.Entry[T]
	provisional bool // it was kept under a hold and ends with it
	counter     bool
	sum         int64
}

// New returns an empty store.
func New[T any](o *Options) *Store[T] {
	d := &data[T]{
		contents: contents[T]{make(map[string]item[T]), make(map[string]lease), make(map[string]hold), make(map[string]uint64)},
		clock:    1, // a stamp is not zero
		claims:   make(map[refresh]claim),
		watchers: make(map[*watcher[T]]bool),
	}
	if o != nil {
		d.max, d.maxStale = o.MaxEntries, max(0, o.MaxStale)
	}
	return &Store[T]{data: d}
}

// Peer returns another store over the data of s, as another process would have
// it: it has its own counters of what it did, and the watchers of one are notified of a
// Fill through the other.
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
		return e, store.ErrNotFound
	}
	return e, e.MissError()
}

// Set implements [store.Store].
func (s *Store[T]) Set(_ context.Context, key string, e store.Entry[T]) error {
	if err := s.begin("set", key); err != nil {
		return err
	}
	if err := s.check(key, &e); err != nil {
		s.mu.Unlock()
		return failure("set", key, err)
	}
	s.set(key, e)
	s.mu.Unlock()
	s.notify(nil, key)
	return nil
}

// Delete implements [store.Store].
func (s *Store[T]) Delete(_ context.Context, keys ...string) error {
	return s.deleteHolding(store.Hold{}, keys)
}

// begin locks the data for an operation, unless it returns an error.
func (s *Store[T]) begin(op, key string) error {
	if s.before != nil {
		s.before(op, key)
	}
	s.mu.Lock()
	err := store.ErrClosed
	switch {
	case s.closed:
	case s.offline:
		err = store.ErrUnavailable
	default:
		return nil
	}
	s.stats.Errors++
	s.mu.Unlock()
	return failure(op, key, err)
}

func failure(op, key string, err error) error {
	return &store.Error{Store: "memory", Op: op, Key: key, Err: err}
}

// check returns why e cannot be stored under key. The data is locked.
func (s *Store[T]) check(key string, e *store.Entry[T]) error {
	if s.storable == nil || e.Absent || e.Expired(store.Now()) {
		return nil
	}
	err := s.storable(key, e.Value)
	if err != nil {
		s.stats.Errors++
	}
	return err
}

// find returns the item under key, unless it has expired or one of its tags was
// invalidated. The data is locked.
func (s *Store[T]) find(key string) (item[T], bool) {
	it, ok := s.items[key]
	if ok && it.Expired(store.Now()) {
		delete(s.items, key)
		return item[T]{}, false
	}
	return it, ok && s.current(s.tags, it.Tags, it.Stamp)
}

// entry is find for entries: a counter is none.
func (s *Store[T]) entry(key string) (item[T], bool) {
	it, ok := s.find(key)
	return it, ok && !it.counter
}

// read is entry that counts. The data is locked. Of an entry that was invalidated it
// returns the version.
func (s *Store[T]) read(key string) (store.Entry[T], bool) {
	it, ok := s.entry(key)
	if !ok {
		s.stats.Misses++
		return store.Entry[T]{Version: it.Version}, false
	}
	s.stats.Hits++
	for _, fn := range s.samplers {
		(*fn)(key)
	}
	return it.Entry, true
}

// set is write after which a hold is no longer that of one write intent alone.
func (s *Store[T]) set(key string, e store.Entry[T]) (kept store.Entry[T], ok bool) {
	s.shareHold(key)
	return s.write(key, e)
}

// write keeps e under key, or removes what is there if e has expired, and
// returns what is kept. It ends the lease of key. The data is locked.
func (s *Store[T]) write(key string, e store.Entry[T]) (kept store.Entry[T], ok bool) {
	s.stats.Sets++
	delete(s.leases, key)
	it := s.held(key, e)
	if it.Expired(store.Now()) {
		delete(s.items, key)
		return it.Entry, false
	}
	if it.Version == 0 { // else it is a copy of what another tier keeps
		it.Version = s.newID()
	}
	if s.shared && it.Stamp == 0 && len(it.Tags) > 0 {
		it.Stamp = s.clock
	}
	s.keep(key, it)
	return it.Entry, true
}

func (s *Store[T]) newID() uint64 {
	s.lastID++
	return s.lastID
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

// remove removes what is under key, and ends its lease. The data is locked.
func (s *Store[T]) remove(key string) {
	if _, ok := s.find(key); ok {
		s.stats.Deletes++
	}
	delete(s.items, key)
	delete(s.leases, key)
}
