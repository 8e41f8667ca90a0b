package httpcache

import (
	"errors"
	"strings"
)

// This file parses Structured Fields (RFC 9651), as strictly as the RFC wants it: a field
// with an error anywhere is no field.

var errField = errors.New("invalid structured field")

// A fieldKind is the type of a bare item.
type fieldKind uint8

const (
	kindBoolean fieldKind = iota
	kindInteger
	kindDecimal
	kindString
	kindToken
	kindBytes
	kindDate
	kindDisplay
	kindList // an inner list
)

// A fieldItem is a bare item. Parameters are checked and dropped.
type fieldItem struct {
	kind fieldKind
	num  int64  // of an integer, a date, or a boolean
	text string // of a string or token
	list []fieldItem
}

type fieldParser struct {
	s string
}

// parseDictionary parses a Dictionary. Of two members with one name, the last counts.
func parseDictionary(lines []string) (map[string]fieldItem, error) {
	p := fieldParser{strings.Trim(strings.Join(lines, ", "), " ")}
	out := make(map[string]fieldItem)
	for p.s != "" {
		name, err := p.key()
		if err != nil {
			return nil, err
		}
		item := fieldItem{kind: kindBoolean, num: 1}
		if p.take('=') {
			item, err = p.member()
		} else {
			err = p.parameters()
		}
		if err != nil {
			return nil, err
		}
		out[name] = item
		if err := p.comma(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parseList parses a List.
func parseList(lines []string) ([]fieldItem, error) {
	p := fieldParser{strings.Trim(strings.Join(lines, ", "), " ")}
	var out []fieldItem
	for p.s != "" {
		item, err := p.member()
		if err != nil {
			return nil, err
		}
		out = append(out, item)
		if err := p.comma(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// comma consumes what separates members. A trailing comma is an error.
func (p *fieldParser) comma() error {
	p.s = strings.TrimLeft(p.s, " \t")
	if p.s == "" {
		return nil
	}
	if !p.take(',') {
		return errField
	}
	p.s = strings.TrimLeft(p.s, " \t")
	if p.s == "" {
		return errField
	}
	return nil
}

func (p *fieldParser) take(ch byte) bool {
	if p.s == "" || p.s[0] != ch {
		return false
	}
	p.s = p.s[1:]
	return true
}

// span consumes the bytes from the start for which is returns true.
func (p *fieldParser) span(is func(ch byte) bool) string {
	n := 0
	for n < len(p.s) && is(p.s[n]) {
		n++
	}
	out := p.s[:n]
	p.s = p.s[n:]
	return out
}

func lower(ch byte) bool { return ch >= 'a' && ch <= 'z' }
func digit(ch byte) bool { return ch >= '0' && ch <= '9' }
func alpha(ch byte) bool { return lower(ch) || ch >= 'A' && ch <= 'Z' }

func keyByte(ch byte) bool {
	return lower(ch) || digit(ch) || strings.IndexByte("_-.*", ch) >= 0
}

func tokenByte(ch byte) bool {
	return alpha(ch) || digit(ch) || strings.IndexByte("!#$%&'*+-.^_`|~", ch) >= 0
}

func (p *fieldParser) key() (string, error) {
	if p.s == "" || !lower(p.s[0]) && p.s[0] != '*' {
		return "", errField
	}
	return p.span(keyByte), nil
}

// member parses an item or an inner list, and its parameters.
func (p *fieldParser) member() (item fieldItem, err error) {
	if !p.take('(') {
		if item, err = p.bare(); err == nil {
			err = p.parameters()
		}
		return item, err
	}
	item.kind = kindList
	for {
		p.s = strings.TrimLeft(p.s, " ")
		if p.take(')') {
			return item, p.parameters()
		}
		inner, err := p.bare()
		if err == nil {
			err = p.parameters()
		}
		if err != nil {
			return item, err
		}
		item.list = append(item.list, inner)
		if p.s == "" || p.s[0] != ' ' && p.s[0] != ')' {
			return item, errField
		}
	}
}

func (p *fieldParser) parameters() error {
	for p.take(';') {
		p.s = strings.TrimLeft(p.s, " ")
		if _, err := p.key(); err != nil {
			return err
		}
		if p.take('=') {
			if _, err := p.bare(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *fieldParser) bare() (fieldItem, error) {
	if p.s == "" {
		return fieldItem{}, errField
	}
	switch ch := p.s[0]; {
	case ch == '-' || digit(ch):
		return p.number()
	case ch == '"':
		return p.str()
	case ch == '*' || alpha(ch):
		return fieldItem{kind: kindToken, text: p.span(func(ch byte) bool { return tokenByte(ch) || ch == ':' || ch == '/' })}, nil
	case ch == ':':
		return p.bytes()
	case ch == '?':
		return p.boolean()
	case ch == '@':
		p.s = p.s[1:]
		item, err := p.number()
		if err != nil || item.kind != kindInteger {
			return item, errField
		}
		item.kind = kindDate
		return item, nil
	case ch == '%':
		return p.display()
	}
	return fieldItem{}, errField
}
