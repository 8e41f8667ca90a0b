package strata

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/bypass"
)

// A Token identifies a point in the writes of one process. A reader with the token, in any
// process that shares the Redis, sees those writes or newer ones. A Token can be sent as
// text, in a header, a cookie or a job. The zero Token identifies no writes.
//
// The first read with a token takes one exchange with each primary of Redis, which delivers
// all earlier invalidations. Later reads with the same token cost nothing. If Redis is
// unreachable, reads with a token call the loader.
type Token struct {
	writer, n uint64
}

// tokensUsed is set once a context has a token, so that programs without tokens skip the
// lookup.
var tokensUsed atomic.Bool

// errToken is returned for a text that is not a token.
var errToken = errors.New("strata: not a token")

// MarshalText returns 22 letters, digits, "-" and "_", or an empty text for the zero Token.
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

// UnmarshalText parses the result of MarshalText. Any other text is an error.
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

// ParseToken parses the text form of a Token.
func ParseToken(s string) (t Token, err error) { return t, t.UnmarshalText([]byte(s)) }

type tokenKey struct{}

// WithToken returns a context for reads that must see the writes of t or newer ones. A
// context may hold several tokens.
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

// tokens is what a backend knows about the tokens of other processes.
type tokens struct {
	writer uint64 // of this process
	last   atomic.Uint64

	mu   sync.Mutex
	seen map[uint64]uint64 // by writer: the latest token with writes that are visible here
}

func (ts *tokens) init() { ts.writer, ts.seen = rand.Uint64(), make(map[uint64]uint64) }

// news returns the tokens of ctx with writes that may not be visible yet.
func (ts *tokens) news(ctx context.Context) (news []Token) {
	have, _ := ctx.Value(tokenKey{}).([]Token)
	if len(have) == 0 {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range have {
		if t.writer != ts.writer && ts.seen[t.writer] < t.n {
			news = append(news, t)
		}
	}
	return news
}

// caughtUp records that all writes up to news are visible.
func (ts *tokens) caughtUp(news []Token) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.seen)+len(news) > mostWriters {
		clear(ts.seen) // a token in use then costs one more exchange
	}
	for _, t := range news {
		ts.seen[t.writer] = max(ts.seen[t.writer], t.n)
	}
}

// hasToken reports whether a read with ctx must not be older than a token.
func hasToken(ctx context.Context) bool {
	return tokensUsed.Load() && ctx.Value(tokenKey{}) != nil
}

// isSpecial reports whether reads with ctx have a token, or bypass caches.
func isSpecial(ctx context.Context) bool { return hasToken(ctx) || bypass.Is(ctx) }
