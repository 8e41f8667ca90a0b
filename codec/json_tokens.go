package codec

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// next skips white space and returns the next byte.
func (c *strictScan) next() byte {
	for c.src[c.at] <= ' ' {
		c.at++
	}
	return c.src[c.at]
}

// more consumes the separator in an object or array and reports whether there is another
// element. Otherwise it consumes the end.
func (c *strictScan) more(end byte) bool {
	b := c.next()
	if b == '{' || b == '[' || b == ',' {
		c.at++
		b = c.next()
	}
	if b == end {
		c.at++
		return false
	}
	return true
}

// skip consumes any value.
func (c *strictScan) skip() {
	for depth := 0; ; {
		switch c.next() {
		case '"':
			c.skipText()
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
		case ',', ':':
			c.at++
			continue
		default:
			c.skipLiteral()
		}
		if depth == 0 {
			return
		}
	}
}

// skipLiteral consumes a number, true, false or null.
func (c *strictScan) skipLiteral() {
	for c.at < len(c.src) {
		switch b := c.src[c.at]; {
		case b <= ' ', b == ',', b == ']', b == '}':
			return
		}
		c.at++
	}
}

// skipText consumes a string, and reports whether it has escapes.
func (c *strictScan) skipText() (escapes bool) {
	c.at++
	n := bytes.IndexByte(c.src[c.at:], '"')
	if bytes.IndexByte(c.src[c.at:c.at+n], '\\') < 0 {
		c.at += n + 1
		return false
	}
	for c.src[c.at] != '"' {
		if c.src[c.at] == '\\' {
			c.at++
		}
		c.at++
	}
	c.at++
	return true
}

// hasLoneSurrogate reports whether raw escapes half of a surrogate pair, which
// encoding/json decodes as U+FFFD.
func hasLoneSurrogate(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		r := escaped(raw[i:])
		raw = raw[i+2:]
		if !utf16.IsSurrogate(r) {
			continue
		}
		raw = raw[4:]
		if utf16.DecodeRune(r, escaped(raw)) == utf8.RuneError {
			return true
		}
		raw = raw[6:]
	}
}

// escaped returns the character of the escape \uXXXX at the start of raw, or -1.
func escaped(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
