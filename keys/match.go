package keys

import "strings"

// Match reports whether pattern matches all of key. It works on bytes, knows no
// locale and no case folding, and never fails: every pattern means something.
//
//	?       one byte
//	*       any number of bytes, none included
//	[abc]   one byte of the set
//	[a-z]   one byte of the range, whose ends may be given in either order
//	[^a-z]  one byte that is not in the set
//	\c      the byte c
//	c       the byte c
//
// In a set `\` takes the next byte as it is too. A set that is not closed ends
// with the pattern; the empty set `[]` matches nothing and `[^]` any byte. A `-`
// is a range's if something follows it, be that a `]`: write `[-a]` or `[a\-]`. A
// `\` that ends the pattern stands for itself.
//
// This is the grammar of Redis (stringmatchlen in its util.c), and Match agrees
// with it but for two oddities: in Redis a pattern of several stars does not
// match the empty key, and the ends of a range compare as signed bytes on some
// platforms, which makes a difference where one is ASCII and the other is not.
//
// The time is at most proportional to the product of the two lengths, and to
// their sum for patterns with one star.
func Match(pattern, key string) bool {
	p, k := 0, 0
	// Each element but the star takes exactly one byte. So when something does
	// not fit, only the last star needs to take one byte more: what lies before
	// it has been matched with the fewest bytes already.
	afterStar, retry := -1, 0
	for k < len(key) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				p++
				if p == len(pattern) {
					return true
				}
				afterStar, retry = p, k
				continue
			}
			if next, ok := matchByte(pattern, p, key[k]); ok {
				p, k = next, k+1
				continue
			}
		}
		if afterStar < 0 {
			return false
		}
		retry++
		p, k = afterStar, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchByte reports whether the element of pattern that begins at p, which is
// no star, matches c, and where the next element begins if it does.
func matchByte(pattern string, p int, c byte) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchSet(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchSet is matchByte for the set whose first byte after the bracket is at p.
func matchSet(pattern string, p int, c byte) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			p += 2
			ok = ok || low <= c && c <= high
		default:
			ok = ok || pattern[p] == c
		}
	}
	return min(p+1, len(pattern)), ok != negated
}

// Quote returns a pattern that matches literal and nothing else.
func Quote(literal string) string {
	const special = `*?[\`
	if !strings.ContainsAny(literal, special) {
		return literal
	}
	quoted := make([]byte, 0, len(literal)+8)
	for i := range len(literal) {
		if strings.IndexByte(special, literal[i]) >= 0 {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, literal[i])
	}
	return string(quoted)
}
