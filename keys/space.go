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

// Options configure a [Space]. Nil and the zero value select the defaults.
type Options struct {
	// SchemaVersion is part of every key. Increment it when the meaning of the values
	// changes: entries of other versions are then not found any more.
	SchemaVersion uint

	// Schema is part of every key, after SchemaVersion. It identifies the encoding of the
	// values, so that entries in another encoding are not found. Empty: keys have no
	// schema.
	Schema string

	// MaxLen is the maximum length of a key in bytes. It must be at least 94 bytes longer
	// than the prefix (see [Space.Prefix]). All processes that share keys must use the same
	// value. Zero: 200.
	MaxLen int
}

const (
	defaultMaxLen = 200

	hashLen = 1 + 26 // a ~ and 128 bits in base32
	maxTag  = 64     // bytes in the braces of a hash tag

	// room is the minimum space after the prefix: for the longest tag in braces, a colon
	// and a hash, so that a shortened key keeps its tag.
	room = maxTag + len("{}:") + hashLen
)

// A Space is the set of keys that begin with its name and schema version. It is immutable
// and safe for concurrent use.
//
// A key consists of the name, the version with the schema, and the parts, joined by colons.
// In the name, schema and parts, the bytes `%`, `:`, `{`, `}`, `~`, control characters and
// invalid UTF-8 are written as % and two upper-case hexadecimal digits. An empty part is
// written as `~`. Therefore different parts have different keys, keys of different spaces
// differ, and no key has a Redis Cluster hash tag by accident.
//
// A key longer than Options.MaxLen is truncated. It then ends with `~` and the first 128
// bits of the SHA-256 of the whole key, in lower-case base32.
//
// The zero Space is not usable: use [New] or [Space.Sub].
type Space struct {
	prefix string // ends with a colon
	maxLen int
}

// New returns the space called name, which may be any non-empty string. Errors wrap
// [store.ErrInvalidKey].
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
	prefix = strconv.AppendUint(prefix, uint64(o.SchemaVersion), 10)
	if o.Schema != "" {
		prefix = appendPart(append(prefix, '-'), o.Schema)
	}
	var mistakes []error
	if name == "" {
		mistakes = append(mistakes, fmt.Errorf("keys: empty name of a space: %w", store.ErrInvalidKey))
	}
	s, err := newSpace(string(append(prefix, ':')), maxLen)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	return s, oneline.Join(mistakes...)
}

func newSpace(prefix string, maxLen int) (*Space, error) {
	if len(prefix)+room > maxLen {
		return nil, fmt.Errorf("keys: space %q: MaxLen must be at least %d, not %d: %w",
			prefix, len(prefix)+room, maxLen, store.ErrInvalidKey)
	}
	return &Space{prefix: prefix, maxLen: maxLen}, nil
}

// Sub returns the space of the keys of s that have part as their first part and further
// parts after it: s.Sub(a).Key(b) is s.Key(a, b). If part is too long for a pattern to
// match its keys, the error wraps [store.ErrInvalidKey].
func (s *Space) Sub(part string) (*Space, error) {
	return newSpace(string(append(appendPart([]byte(s.prefix), part), ':')), s.maxLen)
}

// Key returns the key of parts. It allocates once if the key before shortening has at most
// 200 bytes.
func (s *Space) Key(parts ...string) string {
	var buf [defaultMaxLen]byte
	return string(s.appendKey(buf[:0], parts...))
}

// appendKey appends the key of parts to dst and returns the result.
func (s *Space) appendKey(dst []byte, parts ...string) []byte {
	start := len(dst)
	return s.finish(append(dst, s.prefix...), start, parts)
}

// KeyInt returns Key(strconv.FormatInt(n, 10)).
func (s *Space) KeyInt(n int64) string {
	var buf [defaultMaxLen]byte
	return string(s.appendKeyInt(buf[:0], n))
}

// appendKeyInt appends KeyInt(n) to dst and returns the result.
func (s *Space) appendKeyInt(dst []byte, n int64) []byte {
	return strconv.AppendInt(append(dst, s.prefix...), n, 10)
}

// Tagged returns a key with a Redis Cluster hash tag before its parts. All keys with one
// tag, in any space, are on the same node, so that one command or transaction may use them
// all. The load on them is on that node too. A tag of more than 64 bytes is shortened like
// a key. With an empty tag, Tagged returns Key(parts...).
func (s *Space) Tagged(tag string, parts ...string) string {
	var buf [defaultMaxLen]byte
	return string(s.appendTagged(buf[:0], tag, parts...))
}

// appendTagged appends Tagged(tag, parts...) to dst and returns the result.
func (s *Space) appendTagged(dst []byte, tag string, parts ...string) []byte {
	if tag == "" {
		return s.appendKey(dst, parts...)
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

// Prefix returns the common prefix of the keys of s. Only keys of spaces made by
// [Space.Sub] of s share it.
func (s *Space) Prefix() string { return s.prefix }

// All returns a pattern that matches all keys of s and no other keys: see
// [store.PatternDeleter].
func (s *Space) All() string { return Quote(s.prefix) + "*" }

// Parse returns the tag and the parts of key. ok is false if key is not a key of s, or was
// shortened, which loses its parts.
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
	// Only the form written by Tagged is a key.
	if s.Tagged(tag, parts...) != key {
		return "", nil, false
	}
	return tag, parts, true
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// shorten limits dst[start:] to most bytes.
func shorten(dst []byte, start, most int) []byte {
	if len(dst)-start <= most {
		return dst
	}
	hash := sha256.Sum256(dst[start:])
	cut := start + most - hashLen
	dst = append(dst[:wholeBefore(dst, start, cut)], '~')
	return base32Lower.AppendEncode(dst, hash[:16])
}

// wholeBefore returns the last position up to cut that is neither inside an escape nor
// inside a character.
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
