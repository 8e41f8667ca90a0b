package keys

import "strings"

// Match reports whether pattern matches the whole key. It compares bytes, without locale or
// case folding. Every pattern is valid.
//
//	?       one byte
//	*       any number of bytes, including none
//	[abc]   one byte of the set
//	[a-z]   one byte of the range; the ends may be in either order
//	[^a-z]  one byte that is not in the set
//	\c      the byte c
//	c       the byte c
//
// In a set, `\` also makes the next byte literal. A set without `]` ends with the pattern.
// The empty set `[]` matches nothing, and `[^]` matches any byte. A `-` forms a range if
// any byte follows it, including `]`: to match it, write `[-a]` or `[a\-]`. A trailing `\`
// is literal.
//
// The grammar is that of Redis (stringmatchlen in its util.c), with two differences. In
// Redis a pattern of several stars does not match the empty key. On some platforms Redis
// compares the ends of a range as signed bytes, which matters if one is ASCII and the other
// is not.
//
// The time is at most proportional to the product of the two lengths, and to their sum for
// patterns with one star.
func Match(pattern, key string) bool {
	p, k := 0, 0
	// Each element but the star matches exactly one byte. After a mismatch, only the last
	// star needs to match one byte more: everything before it has been matched with the
	// fewest bytes.
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

// matchByte reports whether the element of pattern at p, which is not a star, matches c.
// next is the position of the next element.
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

// matchSet is matchByte for a set; p is the position after "[".
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

// Quote returns a pattern that matches literal only.
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
