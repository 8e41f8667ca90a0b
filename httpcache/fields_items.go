package httpcache

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// number parses an integer of at most 15 digits, or a decimal of at most 12 and 3.
func (p *fieldParser) number() (item fieldItem, err error) {
	negative := p.take('-')
	whole := p.span(digit)
	if whole == "" || len(whole) > 15 {
		return item, errField
	}
	for i := range len(whole) {
		item.num = item.num*10 + int64(whole[i]-'0')
	}
	if negative {
		item.num = -item.num
	}
	item.kind = kindInteger
	if p.take('.') {
		fraction := p.span(digit)
		if len(whole) > 12 || fraction == "" || len(fraction) > 3 {
			return item, errField
		}
		item.kind = kindDecimal
	}
	return item, nil
}

func (p *fieldParser) str() (fieldItem, error) {
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch ch := p.s[i]; {
		case ch == '"':
			p.s = p.s[i+1:]
			return fieldItem{kind: kindString, text: b.String()}, nil
		case ch == '\\':
			if i++; i == len(p.s) || p.s[i] != '"' && p.s[i] != '\\' {
				return fieldItem{}, errField
			}
			b.WriteByte(p.s[i])
		case ch < 0x20 || ch >= 0x7f:
			return fieldItem{}, errField
		default:
			b.WriteByte(ch)
		}
	}
	return fieldItem{}, errField
}

func (p *fieldParser) bytes() (fieldItem, error) {
	end := strings.IndexByte(p.s[1:], ':')
	if end < 0 {
		return fieldItem{}, errField
	}
	content := strings.TrimRight(p.s[1:end+1], "=")
	if strings.ContainsAny(content, "\r\n") {
		return fieldItem{}, errField
	}
	b, err := base64.RawStdEncoding.DecodeString(content)
	if err != nil {
		return fieldItem{}, errField
	}
	p.s = p.s[end+2:]
	return fieldItem{kind: kindBytes, text: string(b)}, nil
}

func (p *fieldParser) boolean() (fieldItem, error) {
	if len(p.s) < 2 || p.s[1] != '0' && p.s[1] != '1' {
		return fieldItem{}, errField
	}
	item := fieldItem{kind: kindBoolean, num: int64(p.s[1] - '0')}
	p.s = p.s[2:]
	return item, nil
}

// display parses a Display String: %"...", in which bytes are written as lower-case %xx.
func (p *fieldParser) display() (fieldItem, error) {
	if !strings.HasPrefix(p.s, `%"`) {
		return fieldItem{}, errField
	}
	var b strings.Builder
	for i := 2; i < len(p.s); i++ {
		switch ch := p.s[i]; {
		case ch == '"':
			p.s = p.s[i+1:]
			if !utf8.ValidString(b.String()) {
				return fieldItem{}, errField
			}
			return fieldItem{kind: kindDisplay, text: b.String()}, nil
		case ch == '%':
			if i+2 >= len(p.s) || !lowerHex(p.s[i+1]) || !lowerHex(p.s[i+2]) {
				return fieldItem{}, errField
			}
			b.WriteByte(unhex(p.s[i+1])<<4 | unhex(p.s[i+2]))
			i += 2
		case ch < 0x20 || ch >= 0x7f:
			return fieldItem{}, errField
		default:
			b.WriteByte(ch)
		}
	}
	return fieldItem{}, errField
}

func lowerHex(ch byte) bool { return digit(ch) || ch >= 'a' && ch <= 'f' }

func unhex(ch byte) byte {
	if digit(ch) {
		return ch - '0'
	}
	return ch - 'a' + 10
}

// parseTargeted parses a targeted field (RFC 9213). ok is false if it is absent, empty or
// invalid, or has a directive with a value of the wrong type: it is then ignored.
func parseTargeted(lines []string) (c control, ok bool) {
	if len(lines) == 0 {
		return c, false
	}
	members, err := parseDictionary(lines)
	if err != nil || len(members) == 0 {
		return c, false
	}
	for name, item := range members {
		switch flag, d := c.flag(name), c.delta(name); {
		case flag != nil && item.kind == kindBoolean:
			*flag = item.num == 1
		case flag != nil && (item.kind == kindString || item.kind == kindList): // a qualified form
			*flag = true
		case d != nil && item.kind == kindInteger && item.num >= 0:
			*d = delta{set: true, valid: true, seconds: min(item.num, maxDelta)}
		case flag != nil, d != nil:
			return control{}, false
		}
		c.present = true
	}
	return c, true
}
