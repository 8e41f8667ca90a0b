package strata

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/layered"
)

// A Token stands for all that a process has written: whoever reads with it, in any
// process that shares the Redis, sees those writes, or newer ones. It has a text
// form, for a header, a cookie or a job. The zero Token stands for nothing.
//
// A reader that has not yet heard of the writes asks each primary of Redis once,
// and learns of every change that came before; after that the same token costs it
// nothing. If Redis cannot be reached, it reads from the source.
type Token struct {
	writer, n uint64
}

// tokensUsed is set once there is a context with a token, so that programs without
// any do not pay for looking.
var tokensUsed atomic.Bool

// Token returns a token for what this process has written through the backend so
// far: for the writes whose calls have returned without an error.
func (b *Backend) Token() Token { return Token{b.tokens.writer, b.tokens.last.Add(1)} }

// errToken says that a text is no token.
var errToken = errors.New("strata: not a token")

// MarshalText returns 22 letters, digits, "-" and "_"; of the zero Token nothing.
func (t Token) MarshalText() ([]byte, error) {
	if t == (Token{}) {
		return nil, nil
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], t.writer)
	binary.BigEndian.PutUint64(b[8:], t.n)
	return base64.RawURLEncoding.AppendEncode(nil, b[:]), nil
}

// String returns the text of MarshalText.
func (t Token) String() string {
	text, _ := t.MarshalText()
	return string(text)
}

// UnmarshalText reads what MarshalText returns. Anything else is an error.
func (t *Token) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = Token{}
		return nil
	}
	var b [16]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return errToken
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(b[:], text); err != nil {
		return errToken
	}
	*t = Token{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	return nil
}

// ParseToken returns the Token whose text is s.
func ParseToken(s string) (t Token, err error) { return t, t.UnmarshalText([]byte(s)) }

type tokenKey struct{}

// WithToken returns a context with which no cache returns anything older than what
// t stands for. A context may hold several tokens.
func WithToken(ctx context.Context, t Token) context.Context {
	if t == (Token{}) {
		return ctx
	}
	tokensUsed.Store(true)
	have, _ := ctx.Value(tokenKey{}).([]Token)
	return context.WithValue(ctx, tokenKey{}, append(have[:len(have):len(have)], t))
}

// mostWriters bounds how many writers are remembered.
const mostWriters = 10_000

// tokens are what a backend knows of the tokens of others.
type tokens struct {
	writer uint64 // of this process
	last   atomic.Uint64

	mu    sync.Mutex
	heard map[uint64]uint64 // by writer: the latest token that was caught up with
}

func (ts *tokens) init() { ts.writer, ts.heard = rand.Uint64(), make(map[uint64]uint64) }

// news returns those tokens of ctx that were not yet caught up with.
func (ts *tokens) news(ctx context.Context) (news []Token) {
	have, _ := ctx.Value(tokenKey{}).([]Token)
	if len(have) == 0 {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range have {
		if t.writer != ts.writer && ts.heard[t.writer] < t.n {
			news = append(news, t)
		}
	}
	return news
}

// caughtUp notes that everything before news is known.
func (ts *tokens) caughtUp(news []Token) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.heard)+len(news) > mostWriters {
		clear(ts.heard) // costs those who still use a token one more question
	}
	for _, t := range news {
		ts.heard[t.writer] = max(ts.heard[t.writer], t.n)
	}
}

// catchUp returns nil once this process has been told of all that the tokens of
// ctx stand for.
func (b *Backend) catchUp(ctx context.Context) error {
	if b.redis == nil {
		return nil
	}
	news := b.tokens.news(ctx)
	if len(news) == 0 {
		return nil
	}
	if err := b.redis.Sync(ctx); err != nil {
		return err
	}
	b.tokens.caughtUp(news)
	return nil
}

// asks reports whether a read with a token must ask Redis, because Redis does not notify this
// process of changes.
func (b *Backend) asks() bool { return b.redis != nil && b.redis.MaxStale() > 0 }

// hasToken reports whether a read with ctx must not be older than a token.
func hasToken(ctx context.Context) bool {
	return tokensUsed.Load() && ctx.Value(tokenKey{}) != nil
}

// findSince is find for a context with tokens.
func (c *Cache[K, V]) findSince(ctx context.Context, key string, id K) (layered.Found[V], error) {
	if c.backend.asks() || c.backend.catchUp(ctx) != nil {
		return c.findFresh(ctx, key, id)
	}
	// What was loaded while Redis could not be reached was never told of.
	if e, ok := c.tiers.Local(ctx, key); ok && (e.Epoch != 0 || c.backend.redis == nil) {
		if c.tiers.Due(e) {
			c.refreshSoon(ctx, key, id, e)
		}
		return layered.Found[V]{Entry: *e, Tier: layered.L1}, e.MissError()
	}
	return c.findFresh(ctx, key, id)
}

// findFresh is find that does not answer from L1.
func (c *Cache[K, V]) findFresh(ctx context.Context, key string, id K) (layered.Found[V], error) {
	if d := c.reader(ctx); d != nil {
		return c.findNoting(ctx, d, key, id)
	}
	return c.tiers.FindFresh(ctx, key, c.loader(id))
}

// GetFresh is Get that does not answer from L1: it returns nothing that was
// changed, by anybody, before it was called, and nothing stale unless the source fails.
// It asks Redis in one exchange, which moves no value if the one in L1 is right.
func (c *Cache[K, V]) GetFresh(ctx context.Context, id K) (V, error) {
	key, err := c.key(id)
	if err != nil {
		var zero V
		return zero, c.failed("get", err)
	}
	f, err := c.findFresh(ctx, key, id)
	return c.out(f.Value, err)
}

// findManySince is findMany for a context with tokens.
func (c *Cache[K, V]) findManySince(ctx context.Context, ks []string, load layered.ManyLoader[V], each func(i int, f *layered.Found[V], err error)) {
	if c.backend.asks() || c.backend.catchUp(ctx) != nil {
		c.tiers.FindManyFresh(ctx, ks, load, each)
		return
	}
	var near, far []string // what L1 may answer, and what not: see findSince
	var nearAt, farAt []int
	for i, key := range ks {
		if e, ok := c.tiers.Local(ctx, key); ok && (e.Epoch != 0 || c.backend.redis == nil) {
			near, nearAt = append(near, key), append(nearAt, i)
		} else {
			far, farAt = append(far, key), append(farAt, i)
		}
	}
	c.tiers.FindMany(ctx, near, load, func(i int, f *layered.Found[V], err error) { each(nearAt[i], f, err) })
	c.tiers.FindManyFresh(ctx, far, load, func(i int, f *layered.Found[V], err error) { each(farAt[i], f, err) })
}
