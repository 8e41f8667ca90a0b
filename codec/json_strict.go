package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A strictScan scans JSON that encoding/json has decoded, for input that it decoded as a
// different value without an error. This is null for a value that is never nil, an array of
// another length, a duplicate name or one in another case, integers that a float cannot
// represent, and invalid Unicode.
//
// The input is valid JSON of the right kinds, because encoding/json has accepted it. The
// scan does not check that again, and its recursion is bounded like that of encoding/json.
type strictScan struct {
	src []byte
	at  int
}

// misfit returns an error that names the first part of src that is not a value of s, or
// nil.
func misfit(src []byte, s shape) error {
	if !utf8.Valid(src) {
		return reason("text that is not UTF-8")
	}
	c := strictScan{src: src}
	return c.value(&s)
}

// value scans a value of s.
func (c *strictScan) value(s *shape) error {
	begin := c.next()
	switch {
	case begin == 'n' && !s.null:
		return reason(fmt.Sprintf("null for %v at byte %d", s.typ, c.at))
	case s.in == nil && begin != '"':
		c.skip()
		return nil
	case begin == '{' && s.in.fields != nil:
		return c.object(s)
	case begin == '{':
		return c.mapping(s)
	case begin == '[':
		return c.array(s)
	case begin == '"':
		return c.text(s)
	}
	start := c.at
	c.skip()
	return c.number(s, start, c.src[start:c.at])
}

// object scans an object for a struct. encoding/json writes fields in order, and ascending
// fields are distinct.
func (c *strictScan) object(s *shape) error {
	begin, ascending, place := c.at, true, -1
	for c.more('}') {
		i, err := c.field(s, place+1)
		switch {
		case err != nil:
			return err
		case i < 0:
			c.skip()
			continue
		}
		ascending = ascending && i > place
		place = i
		if err := c.value(&s.in.fields[i].shape); err != nil {
			return err
		}
	}
	if ascending {
		return nil
	}
	return (&strictScan{src: c.src, at: begin}).distinct(s)
}

// field scans a name, and returns the index of its field or -1. The index is probably
// expect.
func (c *strictScan) field(s *shape, expect int) (int, error) {
	if expect < len(s.in.fields) && bytes.HasPrefix(c.src[c.at:], s.in.fields[expect].begin) {
		c.at += len(s.in.fields[expect].begin)
		return expect, nil
	}
	start := c.at
	name, err := c.name()
	if err != nil {
		return 0, err
	}
	i, ok := s.in.places[string(name)]
	switch {
	case ok:
		return i, nil
	case s.in.folds(name):
		return 0, reason(fmt.Sprintf("a name of %v in another case at byte %d", s.typ, start))
	default:
		return -1, nil
	}
}

// mapping scans an object for a map. encoding/json writes keys in order, and ascending keys
// are distinct.
func (c *strictScan) mapping(s *shape) error {
	begin, ascending := c.at, true
	var last []byte
	for c.more('}') {
		name, err := c.name()
		if err != nil {
			return err
		}
		ascending = ascending && (last == nil || bytes.Compare(last, name) < 0)
		last = name
		if err := c.value(&s.in.elem); err != nil {
			return err
		}
	}
	if ascending {
		return nil
	}
	return (&strictScan{src: c.src, at: begin}).distinct(s)
}

// distinct checks that the object at at, a value of t, has no duplicate name, except names
// without a struct field.
func (c *strictScan) distinct(s *shape) error {
	seen := make(map[string]bool)
	for c.more('}') {
		start := c.at
		name, err := c.name()
		switch {
		case err != nil:
			return err
		case seen[string(name)]:
			return reason(fmt.Sprintf("a name of %v twice at byte %d", s.typ, start))
		}
		_, known := s.in.places[string(name)]
		seen[string(name)] = known || s.in.fields == nil
		c.skip()
	}
	return nil
}

// array scans an array.
func (c *strictScan) array(s *shape) error {
	begin, n := c.at, 0
	for ; c.more(']'); n++ {
		if err := c.value(&s.in.elem); err != nil {
			return err
		}
	}
	if s.in.length >= 0 && n != s.in.length {
		return reason(fmt.Sprintf("%d elements for %v at byte %d", n, s.typ, begin))
	}
	return nil
}

// name scans a name and the colon, and returns the name.
func (c *strictScan) name() ([]byte, error) {
	start := c.at
	escapes := c.skipText()
	raw := c.src[start:c.at]
	c.next()
	c.at++
	switch {
	case !escapes:
		return raw[1 : len(raw)-1], nil
	case hasLoneSurrogate(raw):
		return nil, notUnicode(start)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}

func notUnicode(at int) error {
	return reason(fmt.Sprintf("text that is not Unicode at byte %d", at))
}

// text scans a string.
func (c *strictScan) text(s *shape) error {
	start := c.at
	escapes := c.skipText()
	raw := c.src[start:c.at]
	switch {
	case escapes && hasLoneSurrogate(raw):
		return notUnicode(start)
	case !s.quoted:
		return nil
	case string(raw) == `"null"`:
		return reason(fmt.Sprintf("null for %v at byte %d", s.typ, start))
	}
	return c.number(s, start, raw[1:len(raw)-1])
}

// number checks that a float can represent an integer literal. For a literal with a
// fraction the nearest float is correct.
func (c *strictScan) number(s *shape, at int, literal []byte) error {
	if s.in == nil || s.in.bits == 0 || len(literal) <= s.in.exact || bytes.ContainsAny(literal, ".eE") {
		return nil
	}
	text := string(literal)
	f, err := strconv.ParseFloat(text, s.in.bits)
	if err != nil || strconv.FormatFloat(f, 'f', -1, s.in.bits) == text {
		return err
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 64); err == nil && math.Abs(f) < 1<<64 && uint64(math.Abs(f)) == n {
		return nil
	}
	return reason(fmt.Sprintf("an integer that %v does not have at byte %d", s.typ, at))
}
