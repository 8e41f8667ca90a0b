package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

const (
	// DefaultMaxKeySize bounds keys where Options do not, in bytes.
	DefaultMaxKeySize = 16 << 10

	// DefaultMaxValueSize bounds encoded values where Options do not, in bytes.
	// A larger value holds up all others on the one connection.
	DefaultMaxValueSize = 4 << 20

	// mostKeySize is the size of the longest key. Claims add a prefix to it.
	mostKeySize = 900 << 10
)

// Options configure a [Store]. The zero value, and nil, give a usable one.
type Options[T any] struct {
	// Name is the name of the cache that the store serves. It is the Cache of each
	// [store.Error] that the store returns and of each [store.Op] that Observer
	// receives. Empty: they name no cache.
	Name string

	// Prefix begins the Redis key of every entry. Two stores whose types
	// differ need different prefixes, neither of which begins the other:
	// "a:" would see, and Clear, what "a:b:" keeps. A Prefix that begins with "!", or with
	// that of the Tags, is ErrInvalidKey for every call: such keys are those of tags.
	Prefix string

	// Tags are the invalidation tags, which several stores may share, so that
	// InvalidateTags concerns all of them. Nil: those whose keys begin with
	// "!" and the Prefix. That is also what the other keys begin with that are
	// not those of entries. A store without a Prefix must not have entries
	// whose keys begin with "!".
	Tags *Tags

	// Codec turns values into bytes. Nil: codec.Msgpack. A codec that depends
	// on the key is given the whole Redis key, prefix included.
	Codec codec.Codec[T]

	// MaxKeySize bounds the Redis key in bytes, prefix included; what is longer
	// is ErrTooLarge. Zero or less: DefaultMaxKeySize. It is 900 KiB at most: a server
	// need not accept a key of 1 MiB.
	MaxKeySize int

	// MaxValueSize bounds the encoded value in bytes; what is larger is
	// ErrTooLarge and not sent. Zero or less: DefaultMaxValueSize. A value that is
	// smaller is ErrTooLarge too, and not sent, if it is above the proto-max-bulk-len or
	// the client-query-buffer-limit of a server, which are asked for when a value is
	// larger than 960 KiB.
	MaxValueSize int

	// ClientSide serves Gets from the memory of the Redis client: encoded
	// values, at most CacheSizeEachConn bytes of them a node (a setting of
	// rueidis), kept until their expiry or until Redis pushes that they
	// changed; after the loss of a connection, until it is noticed. For a
	// store of its own: behind an in-process tier it would keep everything
	// twice, and Fill would tell the store's own watchers, too.
	ClientSide bool

	// Observer is told of every operation; of Gets that ClientSide answers from
	// memory too.
	Observer store.Observer

	// Timeout bounds every operation. Zero or less: that of the client.
	Timeout time.Duration

	// ReadTimeout bounds what readers do before they can go elsewhere: Get, GetMany
	// and Recheck. Zero or less, or above Timeout: that. What ends sooner than the
	// client allows does not count for [Dialer.BreakAfter].
	ReadTimeout time.Duration
}

// A Store is a view of Redis for values of one type. See [store.Store] and the
// package comment.
type Store[T any] struct {
	client     *Client
	name       string // of the cache, in errors and to the observer
	prefix     string
	tags       *Tags
	cleared    *copied // when this store was cleared last
	clearedKey string  // its key
	codec      codec.Codec[T]
	codecID    byte
	maxKey     int
	maxValue   int
	clientSide bool
	plain      bool // see Plain
	observer   store.Observer
	deadlines  *deadline.Pool
	reads      *deadline.Pool
	impatient  bool  // some operations end before it is a failure of Redis that they do
	blind      error // not nil: changes are not told
	badPrefix  error // see checkPrefix
	stats      counters
}

var (
	_ store.Store[int]      = (*Store[int])(nil)
	_ store.ManyGetter[int] = (*Store[int])(nil)
	_ store.ManySetter[int] = (*Store[int])(nil)
	_ store.ManyLeaser[int] = (*Store[int])(nil)
	_ store.Filler[int]     = (*Store[int])(nil)
	_ store.Watcher         = (*Store[int])(nil)
	_ store.WatchChecker    = (*Store[int])(nil)
	_ store.Hearer          = (*Store[int])(nil)
	_ store.Revalidated     = (*Store[int])(nil)
	_ store.Rewinder        = (*Store[int])(nil)
	_ store.Leaser[int]     = (*Store[int])(nil)
	_ store.Refresher[int]  = (*Store[int])(nil)
	_ store.Confirmer[int]  = (*Store[int])(nil)
	_ store.Rechecker[int]  = (*Store[int])(nil)
	_ store.Bracketer[int]  = (*Store[int])(nil)
	_ store.Reviser[int]    = (*Store[int])(nil)
	_ store.Staler          = (*Store[int])(nil)
	_ store.Stamper         = (*Store[int])(nil)
	_ store.Recaller        = (*Store[int])(nil)
	_ store.Expirer         = (*Store[int])(nil)
	_ store.Counter         = (*Store[int])(nil)
	_ store.PatternDeleter  = (*Store[int])(nil)
	_ store.Clearer         = (*Store[int])(nil)
	_ store.Pinger          = (*Store[int])(nil)
	_ store.Reporter        = (*Store[int])(nil)
	_ store.HotKeeper       = (*Store[int])(nil)

	_ store.OrderedGetter[int] = (*Store[int])(nil)
)

// New returns a store of values of type T on c. Nil options are the defaults.
// Closing c ends the store.
func New[T any](c *Client, o *Options[T]) *Store[T] {
	if o == nil {
		o = &Options[T]{}
	}
	s := &Store[T]{
		client: c, name: o.Name, prefix: o.Prefix, tags: o.Tags, codec: o.Codec, maxKey: o.MaxKeySize, maxValue: o.MaxValueSize,
		clientSide: o.ClientSide, observer: o.Observer,
	}
	if s.tags == nil {
		s.tags = NewTags(c, "!"+s.prefix)
	}
	c.rights.use(s.prefix)
	s.cleared, s.clearedKey = s.tags.clearedOf(s.prefix), s.tags.clearedKey(s.prefix)
	s.badPrefix = s.checkPrefix()
	s.blind = oneline.Join(s.badPrefix, c.broadcast.sees("store", s.prefix), c.broadcast.sees("tags", s.tags.prefix))
	if o.ClientSide && c.maxStale > 0 {
		s.blind = errClientSide
	}
	if o.ClientSide {
		c.clientSide.Store(true)
	}
	s.bound(o.Timeout, o.ReadTimeout)
	s.normalize()
	return s
}

// bound says how long operations may take, and what readers do.
func (s *Store[T]) bound(all, read time.Duration) {
	s.deadlines = &s.client.deadlines
	if all > 0 {
		s.deadlines = &deadline.Pool{Timeout: all}
	}
	s.reads = s.deadlines
	if read > 0 && read < s.deadlines.Timeout {
		s.reads = &deadline.Pool{Timeout: read}
	}
	s.impatient = s.reads.Timeout < s.client.deadlines.Timeout
}

// normalize puts defaults in the place of zeros.
func (s *Store[T]) normalize() {
	if s.codec == nil {
		s.codec = codec.Msgpack[T]()
	}
	s.codecID = codec.ID(s.codec)
	if s.maxKey <= 0 {
		s.maxKey = DefaultMaxKeySize
	}
	s.maxKey = min(s.maxKey, mostKeySize)
	if s.maxValue <= 0 {
		s.maxValue = DefaultMaxValueSize
	}
}

// redisKey returns the Redis key of key.
func (s *Store[T]) redisKey(key string) (string, error) {
	if err := s.checkKey(key); err != nil {
		return "", err
	}
	return s.prefix + key, nil
}

func (s *Store[T]) checkKey(key string) error {
	if s.badPrefix != nil {
		return s.badPrefix
	}
	if n := len(s.prefix) + len(key); n > s.maxKey {
		return fmt.Errorf("%w: a key of %d bytes, of at most %d", store.ErrTooLarge, n, s.maxKey)
	}
	return nil
}

// Get returns the entry under key with one exchange. The times of the entry are
// counted from the moment the request was sent, so that they are never late.
func (s *Store[T]) Get(ctx context.Context, key string) (store.Entry[T], error) {
	full, err := s.redisKey(key)
	if err != nil {
		return store.Entry[T]{}, s.fail(ctx, "get", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("get", key, 1))
	var e store.Entry[T]
	found, err := s.get(ctx, full, &e)
	if err != nil {
		err = s.fail(ctx, "get", key, err)
		end(0, err)
		return store.Entry[T]{}, err
	}
	s.answered(key)
	if !found {
		s.stats.misses.Add(1)
		end(0, nil)
		return store.Entry[T]{Version: e.Version}, store.ErrNotFound
	}
	s.stats.hits.Add(1)
	end(1, nil)
	return e, e.MissError()
}

// get reads what is under full into e, a zero entry: they are large, and each copy
// costs. If it finds an entry that is not current, it leaves that there and returns
// false.
func (s *Store[T]) get(ctx context.Context, full string, e *store.Entry[T]) (found bool, err error) {
	now := time.Now() // read once: it costs as much as the rest of begin
	call, cancel := s.reads.BeginAt(ctx, now)
	defer cancel()
	for try := 1; ; try++ {
		moves := s.client.pulse.moves.Load()
		l, err := s.heard(call, full)
		if err != nil {
			return false, err
		}
		switch {
		case s.clientSide:
			found, err = s.getClientSide(call, l, full, e)
		case s.client.maxStale > 0 && !s.plain:
			found, err = s.getAsking(call, l, full, now, e)
		default:
			found, err = s.getRemote(call, l, full, now, e)
		}
		if found && (s.client.maxStale == 0 || s.plain) {
			found, err = s.current(call, l, e.Tags, e.Stamp, e.ExpiresAt)
		}
		err = firstOf(err, s.client.pulse.unmoved(moves))
		if try == maxTries || !isBroken(call, err) {
			return found, err
		}
		*e, now = store.Entry[T]{}, time.Now()
	}
}

// getRemote sends GET alone where the record tells its end and the clock of the
// server is known, which is half of the work for both sides. sent is the time, or a
// little earlier.
func (s *Store[T]) getRemote(ctx context.Context, l *links, full string, sent time.Time, e *store.Entry[T]) (found bool, err error) {
	clock := s.client.pulse.clock.Load()
	if clock == nil || s.plain {
		return s.getPair(ctx, l, full, e)
	}
	blob, err := l.t.Do(ctx, l.t.B().Get().Key(full).Build()).AsBytes()
	found, known, err := s.answerAt(ctx, full, clock, sent, blob, err, e)
	if !known {
		return s.getPair(ctx, l, full, e)
	}
	return found, err
}

// answerAt makes an entry of the reply to GET, which is blob or err. known is false if
// it takes the life of the key to do so.
func (s *Store[T]) answerAt(ctx context.Context, full string, clock *serverClock, sent time.Time, blob []byte, err error, e *store.Entry[T]) (found, known bool, _ error) {
	if rueidis.IsRedisNil(err) {
		return false, true, nil
	}
	if err != nil {
		return false, true, s.foreign(ctx, full, err)
	}
	var expires store.Time
	if len(blob) >= headerSize && kindOf(blob) == kindValue {
		switch end := beUint32(blob[offEnd:]); end {
		case 0:
			return false, false, nil
		case endNone:
		default:
			left := int64(end)*1000 + int64(beUint16(blob[offEndMs:])) - clock.at(sent)
			if left <= 0 {
				return false, true, nil
			}
			expires = store.At(sent) + store.Time(left)
		}
	}
	return s.decode(ctx, full, blob, expires, store.At(sent), e), true, nil
}

// getPair asks for the life first: if the key is replaced between the two
// commands, the push of the change comes before the value, and whoever keeps
// copies knows that this one is in doubt.
func (s *Store[T]) getPair(ctx context.Context, l *links, full string, e *store.Entry[T]) (found bool, err error) {
	sent := store.Now()
	b := l.t.B()
	r := l.t.DoMulti(ctx, b.Pttl().Key(full).Build(), b.Get().Key(full).Build())
	return s.answer(ctx, full, sent, r[0], r[1], e)
}

// answer makes an entry of the replies to PTTL and GET.
func (s *Store[T]) answer(ctx context.Context, full string, sent store.Time, life, value rueidis.RedisResult, e *store.Entry[T]) (found bool, err error) {
	pttl, err := life.AsInt64()
	if err != nil {
		return false, err
	}
	blob, err := value.AsBytes()
	if rueidis.IsRedisNil(err) || err == nil && pttl == -2 { // it came or went in between
		return false, nil
	}
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	var expires store.Time
	if pttl >= 0 {
		expires = sent + store.Time(pttl)
	}
	return s.decode(ctx, full, blob, expires, sent, e), nil
}

// foreign counts what is no string, and therefore no record, as corrupt, like
// all other bytes that are not ours. Other errors it returns.
func (s *Store[T]) foreign(ctx context.Context, full string, err error) error {
	if reply, ok := rueidis.IsRedisErr(err); ok && errors.Is(replyCause(reply.Error(), err), store.ErrWrongType) {
		s.stats.corrupt.Add(1)
		s.observeCorrupt(ctx, full, errCorrupt)
		return nil
	}
	return err
}

// decode makes an entry of a record that was asked for at sent, or finds that there
// is none.
func (s *Store[T]) decode(ctx context.Context, full string, blob []byte, expires, sent store.Time, e *store.Entry[T]) (found bool) {
	if s.plain {
		return s.decodePlain(ctx, full, blob, expires, e)
	}
	switch kindOf(blob) {
	case kindNone, kindCounter:
		return false
	case kindCorrupt:
		s.stats.corrupt.Add(1)
		s.observeCorrupt(ctx, full, errCorrupt)
		return false
	}
	var r record
	err := parseRecord(blob, &r)
	if err == nil && !r.absent {
		if r.codec != s.codecID {
			err = errCorrupt
		} else {
			e.Value, err = codec.DecodeFor(s.codec, full, r.payload)
		}
	}
	if err != nil {
		if len(blob) >= headerSize { // its version, so that a lease can be given for it at once
			*e = store.Entry[T]{Version: beUint64(blob[offID:])}
		}
		s.stats.corruptValue(full, e.Version)
		s.observeCorrupt(ctx, full, err)
		return false
	}
	if expires != 0 {
		if r.capped {
			expires, r.keepMs = expires-store.Time(r.keepMs), 0
		}
		now := sent
		if expires-sent <= store.Time(2*s.deadlines.Timeout.Milliseconds()) { // it may have ended since
			now = store.Now()
		}
		if expires <= now {
			return false
		}
		l := life{ms: int64(expires - now), keepMs: r.keepMs, endless: r.endless}
		e.ExpiresAt, e.StaleAt = l.times(now)
	}
	e.Absent, e.Version, e.Tags, e.LoadedAt, e.Size = r.absent, r.id, r.tags, r.loadedAt, len(r.payload)
	e.Stamp, e.Revision, e.LoadTime = r.stamp, r.version, time.Duration(r.took)*time.Millisecond
	return true
}

// blobs are buffers to encode in.
var blobs = sync.Pool{New: func() any { return new([]byte) }}

// mostPooled is the size above which a buffer is left to the garbage collector.
const mostPooled = 1 << 20

// release gives a buffer back. If err says that the command may still be waiting
// to be sent, the buffer belongs to it for good.
func release(buf *[]byte, err error) {
	var reply *rueidis.RedisError
	if cap(*buf) <= mostPooled && (err == nil || errors.As(err, &reply)) {
		blobs.Put(buf)
	}
}
