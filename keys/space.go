package keys

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// Options are the options of a [Space]. The zero value and nil are the defaults.
type Options struct {
	// Version is part of every key. Another one makes another space, so it is
	// raised when the meaning of the values changes: what was stored before is
	// then not seen any more.
	Version uint

	// Schema is part of every key, after the Version: it tells how values are encoded, so
	// that those of another encoding are not seen. Empty: there is none.
	Schema string

	// MaxLen is the length in bytes that no key exceeds. Zero: 200. It must
	// leave 94 bytes beside the name and the version. All processes that share
	// keys must agree on it.
	MaxLen int
}

const (
	defaultMaxLen = 200

	hashLen = 1 + 26 // a ~ and 128 bits in base32
	maxTag  = 64     // bytes that a hash tag may have between its braces

	// room is what a prefix leaves at least: for the longest tag in braces, a
	// colon and a hash, so that a key that is shortened keeps its tag.
	room = maxTag + len("{}:") + hashLen
)

// A Space is a family of keys: those that begin with its name and its version.
// It does not change once made, and may be used concurrently.
//
// A key is the name, the version with the schema, and the parts, joined by colons. In the
// name, the schema and the parts the bytes `%`, `:`, `{`, `}`, `~`, control characters and what is
// not valid UTF-8 are written as % and two upper-case hexadecimal digits; a part
// without bytes is written as `~`. So different parts give different keys, keys of
// different spaces differ, and no key has a Redis Cluster hash tag by accident.
//
// A key that would exceed Options.MaxLen is cut, and ends with `~` and the
// first 128 bits of the SHA-256 of the whole key, in lower-case base32.
//
// The zero Space is not usable: [New] and [Space.Sub] make spaces.
type Space struct {
	prefix string // ends with a colon
	maxLen int
}

// New returns the space with the name, which may be any bytes but none. An error
// is [store.ErrInvalidKey].
func New(name string, o *Options) (*Space, error) {
	if o == nil {
		o = &Options{}
	}
	maxLen := o.MaxLen
	if maxLen == 0 {
		maxLen = defaultMaxLen
	}
	prefix := appendPart(nil, name)
	prefix = append(prefix, ":v"...)
	prefix = strconv.AppendUint(prefix, uint64(o.Version), 10)
	if o.Schema != "" {
		prefix = appendPart(append(prefix, '-'), o.Schema)
	}
	var mistakes []error
	if name == "" {
		mistakes = append(mistakes, fmt.Errorf("keys: a space needs a name: %w", store.ErrInvalidKey))
	}
	s, err := newSpace(string(append(prefix, ':')), maxLen)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	return s, oneline.Join(mistakes...)
}

func newSpace(prefix string, maxLen int) (*Space, error) {
	if len(prefix)+room > maxLen {
		return nil, fmt.Errorf("keys: space %q needs a MaxLen of at least %d, not %d: %w",
			prefix, len(prefix)+room, maxLen, store.ErrInvalidKey)
	}
	return &Space{prefix: prefix, maxLen: maxLen}, nil
}

// Sub returns the space of the keys of s that begin with part and have others
// after it: s.Sub(a).Key(b) is s.Key(a, b). An error is [store.ErrInvalidKey]; it
// says that part is too long for a pattern to find its keys.
func (s *Space) Sub(part string) (*Space, error) {
	return newSpace(string(append(appendPart([]byte(s.prefix), part), ':')), s.maxLen)
}

// Key returns the key of parts. It allocates once if that has at most 200 bytes
// before it is shortened.
func (s *Space) Key(parts ...string) string {
	var buf [defaultMaxLen]byte
	return string(s.AppendKey(buf[:0], parts...))
}

// AppendKey appends the key of parts to dst and returns the result.
func (s *Space) AppendKey(dst []byte, parts ...string) []byte {
	start := len(dst)
	return s.finish(append(dst, s.prefix...), start, parts)
}

// KeyInt returns Key(strconv.FormatInt(n, 10)).
func (s *Space) KeyInt(n int64) string {
	var buf [defaultMaxLen]byte
	return string(s.AppendKeyInt(buf[:0], n))
}

// AppendKeyInt appends KeyInt(n) to dst and returns the result.
func (s *Space) AppendKeyInt(dst []byte, n int64) []byte {
	return strconv.AppendInt(append(dst, s.prefix...), n, 10)
}

// Tagged returns a key with a Redis Cluster hash tag before its parts. All keys
// with one tag are on one node, whatever their space, so that one command or
// transaction may use them all; and the load on them is on that node too. A tag
// of more than 64 bytes is shortened like a key. The empty tag is none: the key
// is then Key(parts...).
func (s *Space) Tagged(tag string, parts ...string) string {
	var buf [defaultMaxLen]byte
	return string(s.AppendTagged(buf[:0], tag, parts...))
}

// AppendTagged appends Tagged(tag, parts...) to dst and returns the result.
func (s *Space) AppendTagged(dst []byte, tag string, parts ...string) []byte {
	if tag == "" {
		return s.AppendKey(dst, parts...)
	}
	start := len(dst)
	dst = append(append(dst, s.prefix...), '{')
	tagAt := len(dst)
	dst = shorten(appendPart(dst, tag), tagAt, maxTag)
	dst = append(dst, '}')
	if len(parts) > 0 {
		dst = append(dst, ':')
	}
	return s.finish(dst, start, parts)
}

// finish appends parts to the key that begins at start, and shortens it.
func (s *Space) finish(dst []byte, start int, parts []string) []byte {
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendPart(dst, part)
	}
	return shorten(dst, start, s.maxLen)
}

// Prefix returns what all keys of s begin with, and no key of another space
// does, but for those that [Space.Sub] made of s.
func (s *Space) Prefix() string { return s.prefix }

// All returns the pattern that matches the keys of s and no others: see
// [store.PatternDeleter].
func (s *Space) All() string { return Quote(s.prefix) + "*" }

// Parse returns what key was made of. It is false for what is not a key of s, and
// for keys that were shortened, as their parts are lost.
func (s *Space) Parse(key string) (tag string, parts []string, ok bool) {
	rest, ok := strings.CutPrefix(key, s.prefix)
	if !ok {
		return "", nil, false
	}
	if rest != "" {
		parts = strings.Split(rest, ":")
	}
	if rest != "" && rest[0] == '{' {
		tag = unescape(strings.Trim(parts[0], "{}"))
		parts = parts[1:]
	}
	for i, part := range parts {
		parts[i] = unescape(part)
	}
	// What is not written as Tagged writes it is not a key.
	if s.Tagged(tag, parts...) != key {
		return "", nil, false
	}
	return tag, parts, true
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// shorten makes dst[start:] at most most bytes long.
func shorten(dst []byte, start, most int) []byte {
	if len(dst)-start <= most {
		return dst
	}
	hash := sha256.Sum256(dst[start:])
	cut := start + most - hashLen
	dst = append(dst[:wholeBefore(dst, start, cut)], '~')
	return base32Lower.AppendEncode(dst, hash[:16])
}

// wholeBefore returns the last position up to cut that is neither within an
// escape nor within a character.
func wholeBefore(b []byte, start, cut int) int {
	for back := 1; back <= 2 && cut-back >= start; back++ {
		if b[cut-back] == '%' {
			return cut - back
		}
	}
	for cut > start && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return cut
}
