package keys

import "unicode/utf8"

const hexDigits = "0123456789ABCDEF"

// plain marks the ASCII bytes that are not escaped in a key.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = c != '%' && c != ':' && c != '{' && c != '}' && c != '~'
	}
	return t
}()

// appendPart appends the escaped form of part.
func appendPart(dst []byte, part string) []byte {
	if part == "" {
		return append(dst, '~')
	}
	done := 0 // number of bytes of part that are appended
	for i := 0; i < len(part); {
		c := part[i]
		if c < utf8.RuneSelf {
			if !plain[c] {
				dst = append(dst, part[done:i]...)
				dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
				done = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(part[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, part[done:i]...)
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			done = i + 1
		}
		i += size
	}
	return append(dst, part[done:]...)
}

// unescape is the inverse of appendPart. For any other text the result has a different
// escaped form.
func unescape(part string) string {
	if part == "~" {
		return ""
	}
	for i := range len(part) {
		if part[i] != '%' {
			continue
		}
		b := []byte(part[:i])
		for ; i < len(part); i++ {
			c := part[i]
			if c == '%' && i+2 < len(part) {
				c = hexValue(part[i+1])<<4 | hexValue(part[i+2])
				i += 2
			}
			b = append(b, c)
		}
		return string(b)
	}
	return part
}

// hexValue returns the value of a hexadecimal digit; the result for other bytes is
// unspecified.
func hexValue(c byte) byte {
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}
