package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// Options configure a [Store]. Nil and the zero value select the defaults.
type Options[T any] struct {
	// Name is the name of the cache that the store serves. It is the Cache of each [store.Error]
	// that the store returns and of each [store.Op] that Observer receives. Empty: errors and
	// operations name no cache.
	Name string

	// Prefix is the prefix of the Redis key of every entry. Stores of different types need
	// different prefixes, and no prefix may begin with another one: a store with "a:" would also
	// read and clear the entries of "a:b:". A Prefix that begins with "!", or with the prefix of
	// the Tags, makes every call return ErrInvalidKey, because such keys are those of tags.
	Prefix string

	// Tags are the invalidation tags. Several stores may share them, so that InvalidateTags
	// affects all of them. Nil: the tags whose keys begin with "!" and the Prefix, as all other
	// keys that are not entries do. A store without a Prefix must not have entries with keys that
	// begin with "!".
	Tags *Tags

	// Codec encodes values. A codec that depends on the key gets the whole Redis key, with the
	// prefix. Nil: codec.Msgpack.
	Codec codec.Codec[T]

	// MaxKeySize bounds the Redis key in bytes, with the prefix. A longer key is ErrTooLarge. It
	// is at most 900 KiB, because servers need not accept a key of 1 MiB. Zero or less: 16 KiB.
	MaxKeySize int

	// MaxValueSize bounds the encoded value in bytes. A larger value is ErrTooLarge and is not
	// sent. So is a value above the proto-max-bulk-len or the client-query-buffer-limit of a
	// server, which the store reads when a value is larger than 960 KiB. Zero or less:
	// DefaultMaxValueSize.
	MaxValueSize int

	// Observer is notified of every operation. Nil: no observer.
	Observer store.Observer

	// Timeout bounds every operation. Zero or less: that of the client.
	Timeout time.Duration

	// ReadTimeout bounds the operations of readers that have an alternative: Get, GetMany and
	// Revalidate. If it is shorter than the timeout of the client, operations that exceed it do
	// not count for [Dialer.BreakAfter]. Zero or less, or above Timeout: Timeout.
	ReadTimeout time.Duration
}

// A Store is a view of Redis for values of one type. See [store.Store] and the
// package comment.
type Store[T any] struct {
	view
	codec codec.Codec[T]
}

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.Filler[int]     = (*Store[int])(nil)
	_ store.Watcher         = (*Store[int])(nil)
	_ store.Leaser[int]     = (*Store[int])(nil)
	_ store.Writer[int]     = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
	_ store.Tagger          = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.HotKeeper       = (*Store[int])(nil)
)

// New returns a store of values of type T on c. o may be nil. Closing c ends the store.
func New[T any](c *Client, o *Options[T]) *Store[T] {
	if o == nil {
		o = &Options[T]{}
	}
	s := newStore(c, o.Codec, o.Prefix)
	s.name, s.observer, s.maxKey, s.maxValue = o.Name, o.Observer, o.MaxKeySize, o.MaxValueSize
	s.init(o.Tags, o.Timeout, o.ReadTimeout)
	return s
}

// newStore returns a store with a view that is not complete.
func newStore[T any](c *Client, m codec.Codec[T], prefix string) *Store[T] {
	if m == nil {
		m = codec.Msgpack[T]()
	}
	s := &Store[T]{codec: m}
	s.client, s.prefix, s.codecID = c, prefix, codec.ID(m)
	return s
}

// metaOf returns e without its value.
func metaOf[T any](e *store.Entry[T]) meta { return store.WithValue(e, struct{}{}) }

// Get returns the entry under key, with one exchange. The times of the entry count from when the
// request was sent, so that they are never late.
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	var m meta
	var v T
	err := s.view.read(ctx, key, &m, func(full string, payload []byte) (err error) {
		v, err = codec.DecodeFor(s.codec, full, payload)
		return err
	})
	if err != nil { // v may be that of a value that is not current
		return store.WithValue(&m, *new(T)), err
	}
	return store.WithValue(&m, v), nil
}

// GetMany returns the existing entries in the places of their keys, with one exchange per 400
// keys. The entries of one exchange share memory.
func (s *Store[T]) GetMany(ctx context.Context, keys []string) ([]*store.Entry[T], error) {
	entries := make([]*store.Entry[T], len(keys))
	if len(keys) == 0 {
		return entries, nil
	}
	var values []store.Entry[T] // of one exchange
	err := s.view.readMany(ctx, keys, manyReader{
		begin: func(n int) { values = make([]store.Entry[T], n) },
		decode: func(i int, full string, payload []byte) (err error) {
			values[i].Value, err = codec.DecodeFor(s.codec, full, payload)
			return err
		},
		found: func(i, at int, m *meta) {
			values[i] = store.WithValue(m, values[i].Value)
			entries[at] = &values[i]
		},
	})
	return entries, err
}

// Set keeps e under key. An entry is kept for at most 49 days after it has become stale. If Redis
// is full and does not evict, the error wraps ErrTooLarge.
func (s *Store[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	m := metaOf(&e)
	return s.view.write(ctx, key, &m, func(dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, e.Value)
	})
}

// SetMany sets every entry, with one exchange per 400 entries.
func (s *Store[T]) SetMany(ctx context.Context, entries map[string]store.Entry[T]) error {
	if len(entries) == 0 {
		return nil
	}
	return s.view.writeMany(ctx, len(entries), s.each(entries))
}

// each returns an iterator over entries. What it yields is valid until the next one.
func (s *Store[T]) each(entries map[string]store.Entry[T]) each {
	return func(yield func(key string, m *meta, value encoder) bool) {
		var m meta
		var v T
		value := func(dst []byte, full string) ([]byte, error) { return codec.AppendFor(s.codec, dst, full, v) }
		for key, e := range entries {
			m, v = metaOf(&e), e.Value
			if !yield(key, &m, value) {
				return
			}
		}
	}
}

// SetNewer keeps e under key unless a newer value is there, as [store.Reviser] describes it. A
// script compares and writes in one exchange. If it finds a newer value, the store reads that,
// because a tag or Clear may have invalidated it.
func (s *Store[T]) SetNewer(ctx context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	return s.writeEntryIf(ctx, ifNewer, key, e)
}

// SetIfAbsent keeps e under key unless there is a value, as [store.Reviser] describes it, with
// one exchange. If there is a value, the store reads it, because a tag or Clear may have
// invalidated it.
func (s *Store[T]) SetIfAbsent(ctx context.Context, key string, e store.Entry[T]) (set bool, err error) {
	return s.writeEntryIf(ctx, ifAbsent, key, e)
}

func (s *Store[T]) writeEntryIf(ctx context.Context, c condition, key string, e store.Entry[T]) (kept bool, err error) {
	m := metaOf(&e)
	return s.view.writeIf(ctx, c, key, &m, func(dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, e.Value)
	}, func(full string, payload []byte) error {
		_, err := codec.DecodeFor(s.codec, full, payload)
		return err
	})
}

// Fill keeps e under key as [store.Filler] describes it, with one exchange on T. Under a hold the
// entry expires with the hold. Redis does not push this write to T, and forgets that T had read
// the key. So the same exchange reads the id back: Redis remembers the read, and the reply shows
// whether the record is still this one. With [Dialer.Broadcast] the entry is never watched: see
// FillLeased.
//
// Watchers of other stores of the same client are notified.
func (s *Store[T]) Fill(ctx context.Context, key string, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	m := metaOf(&e)
	watched, err = s.view.fill(ctx, key, &m, func(dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, e.Value)
	})
	return keptOf(&m, e.Value, err), watched, err
}

// keptOf returns the entry that was kept of v. With an error it is one only if Redis
// remembers that it could not be stored.
func keptOf[T any](m *meta, v T, err error) store.Entry[T] {
	if err != nil && m.Version == 0 {
		return store.Entry[T]{}
	}
	return store.WithValue(m, v)
}

// FillLeased keeps what was loaded under a lease, as [store.Leaser] describes it, with one
// exchange. If Redis is full and does not evict, the error wraps ErrTooLarge, and the key is
// removed. With [Dialer.Broadcast] the entry is never watched, because Redis pushes this write as
// any other: Revalidate reports whether the caller may keep it.
func (s *Store[T]) FillLeased(ctx context.Context, key string, lease uint64, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	m := metaOf(&e)
	watched, err = s.view.fillLeased(ctx, key, lease, &m, func(dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, e.Value)
	})
	return keptOf(&m, e.Value, err), watched, err
}

// FillManyLeased keeps what was loaded under leases, as [store.Leaser] describes it and
// FillLeased does, with one exchange per 400 keys.
func (s *Store[T]) FillManyLeased(ctx context.Context, fills []store.LeasedFill[T]) []store.Filled[T] {
	filled, todo := make([]store.Filled[T], len(fills)), make([]leasedFill, len(fills))
	for i := range fills {
		f := &fills[i]
		todo[i] = leasedFill{key: f.Key, lease: f.Lease, meta: metaOf(&f.Entry)}
	}
	s.view.fillManyLeased(ctx, todo, func(i int, dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, fills[i].Entry.Value)
	})
	for i := range todo {
		if f := &todo[i]; f.err == nil || f.kept.Version != 0 {
			filled[i] = store.Filled[T]{Entry: store.WithValue(&f.kept, fills[i].Entry.Value), Watched: f.watched, Err: f.err}
		} else {
			filled[i].Err = f.err
		}
	}
	return filled
}

// Replace replaces the entry that has this version by e, as [store.Filler] describes it, with one
// exchange. See FillLeased.
func (s *Store[T]) Replace(ctx context.Context, key string, version uint64, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	m := metaOf(&e)
	watched, err = s.view.replace(ctx, key, version, &m, func(dst []byte, full string) ([]byte, error) {
		return codec.AppendFor(s.codec, dst, full, e.Value)
	})
	return keptOf(&m, e.Value, err), watched, err
}

// Confirm gives the existing entry another life, as [store.Filler] describes it, with one
// exchange that does not transfer the value: it changes the id, the times and the checksum of the
// record. An entry under a hold, or without a LoadedAt, is sent as a whole, by Replace.
func (s *Store[T]) Confirm(ctx context.Context, key string, old, e store.Entry[T]) (kept store.Entry[T], watched bool, err error) {
	was, m := metaOf(&old), metaOf(&e)
	watched, whole, err := s.view.confirm(ctx, key, &was, &m)
	switch {
	case err != nil:
		return store.Entry[T]{}, false, err
	case whole:
		return s.Replace(ctx, key, old.Version, e)
	}
	return store.WithValue(&was, old.Value), watched, nil
}

// Revalidate reports whether the entry under key is still e, as [store.Filler] describes it, with
// one exchange that does not transfer the value.
func (s *Store[T]) Revalidate(ctx context.Context, key string, e store.Entry[T]) (store.Entry[T], error) {
	m := metaOf(&e)
	if err := s.view.revalidate(ctx, key, &m); err != nil {
		return store.Entry[T]{}, err
	}
	e.ExpiresAt, e.StaleAt = m.ExpiresAt, m.StaleAt
	return e, nil
}

// EndWrite ends a write intent, as [store.Writer] describes it. If an entry cannot be encoded,
// its key is removed and the error says so.
func (s *Store[T]) EndWrite(ctx context.Context, token uint64, entries map[string]store.Entry[T], keys ...string) error {
	return s.view.endWrite(ctx, token, keys, s.each(entries), func(key string) (m meta, value encoder, ok bool) {
		e, ok := entries[key]
		return metaOf(&e), func(dst []byte, full string) ([]byte, error) { return codec.AppendFor(s.codec, dst, full, e.Value) }, ok
	})
}
