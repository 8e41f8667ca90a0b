package redisstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
)

const (
	// defaultMaxKeySize bounds keys where Options do not, in bytes.
	defaultMaxKeySize = 16 << 10

	// DefaultMaxValueSize bounds encoded values where Options do not, in bytes.
	// A larger value holds up all others on the one connection.
	DefaultMaxValueSize = 4 << 20

	// mostKeySize is the size of the longest key. Claims add a prefix to it.
	mostKeySize = 900 << 10
)

// A view is what a [Store] is without the type of its values: all of it that need not be
// compiled for each type. Where it needs a value encoded or decoded, it calls a function
// that its caller passes.
type view struct {
	client     *Client
	name       string // of the cache, in errors and to the observer
	prefix     string
	tags       *tagclock.Clock
	cleared    *tagclock.Cell // when this store was cleared last
	clearedKey string         // its key
	codecID    byte
	maxKey     int
	maxValue   int
	plain      bool // see Plain
	observer   store.Observer
	deadlines  *deadline.Pool
	reads      *deadline.Pool
	shortReads bool  // some operations end before it is a failure of Redis that they do
	blind      error // not nil: Redis does not notify of changes
	badPrefix  error // see checkPrefix
	stats      counters
}

// meta is an entry without its value.
type meta = record.Meta

// An encoder appends the encoded value of an entry to dst. full is the Redis key.
type encoder func(dst []byte, full string) ([]byte, error)

// A decoder decodes the value of an entry, and keeps it for the caller.
type decoder func(full string, payload []byte) error

// each is an iterator over entries. What it yields is valid until the next one.
type each func(yield func(key string, e *meta, value encoder) bool)

// init completes a view with settings, with defaults in the place of zeros.
func (s *view) init(tags *Tags, all, read time.Duration) {
	c := s.client
	if tags == nil {
		tags = NewTags(c, "!"+s.prefix) // a plain store has none, but the heartbeat needs a key
	}
	s.tags = tags.clock
	c.rights.use(s.prefix)
	s.badPrefix = s.checkPrefix()
	s.blind = oneline.Join(s.badPrefix, c.link.Broadcast.Covers("store", s.prefix))
	if !s.plain {
		s.cleared, s.clearedKey = s.tags.ClearedOf(s.prefix), s.tags.ClearedKey(s.prefix)
		s.blind = oneline.Join(s.blind, c.link.Broadcast.Covers("tags", s.tags.Prefix))
	}
	if s.maxKey <= 0 {
		s.maxKey = defaultMaxKeySize
	}
	s.maxKey = min(s.maxKey, mostKeySize)
	if s.maxValue <= 0 {
		s.maxValue = DefaultMaxValueSize
	}
	s.bound(all, read)
}

// bound says how long operations may take, and what readers do.
func (s *view) bound(all, read time.Duration) {
	s.deadlines = &s.client.link.Deadlines
	if all > 0 {
		s.deadlines = &deadline.Pool{Timeout: all}
	}
	s.reads = s.deadlines
	if read > 0 && read < s.deadlines.Timeout {
		s.reads = &deadline.Pool{Timeout: read}
	}
	s.shortReads = s.reads.Timeout < s.client.link.Deadlines.Timeout
}

// redisKey returns the Redis key of key.
func (s *view) redisKey(key string) (string, error) {
	if err := s.checkKey(key); err != nil {
		return "", err
	}
	return s.prefix + key, nil
}

func (s *view) checkKey(key string) error {
	if s.badPrefix != nil {
		return s.badPrefix
	}
	if n := len(s.prefix) + len(key); n > s.maxKey {
		return fmt.Errorf("%w: a key of %d bytes, of at most %d", store.ErrTooLarge, n, s.maxKey)
	}
	return nil
}

// checkPrefix returns the error of a prefix with which the keys of entries could be those of
// tags, here or in another program.
func (s *view) checkPrefix() error {
	if own := s.tags.Prefix; !strings.HasPrefix(s.prefix, "!") && (own == "" || !strings.HasPrefix(s.prefix, own)) {
		return nil
	}
	return fmt.Errorf("%w: the prefix %q is one of keys of tags: use one that begins neither with \"!\" nor with the prefix of the Tags", store.ErrInvalidKey, s.prefix)
}
