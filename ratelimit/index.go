package ratelimit

import "math/bits"

// An index finds the slots of keys by their hashes. It is a hash table with linear probing
// (Knuth, The Art of Computer Programming, volume 3, section 6.4). It has one word per key
// and is at most half full, so that a lookup touches one cache line; a map touches two. The
// zero index is empty.
type index struct {
	words []uint64 // upper half of a hash, then slot+1; 0: free
	shift int      // maps an upper half to a position in words
	n     int
}

func word(h uint64, slot int32) uint64 { return h&^(1<<32-1) | uint64(slot+1) }

func slotOf(word uint64) int32 { return int32(uint32(word)) - 1 }

// find returns the first word with the upper half of h, at the position from or after it,
// and its position. w is 0 if there is none.
func (x *index) find(h uint64, from int) (w uint64, at int) {
	for mask := len(x.words) - 1; mask > 0; from++ {
		at = from & mask
		if w = x.words[at]; w == 0 || (w^h)>>32 == 0 {
			return w, at
		}
	}
	return 0, 0
}

// home returns the preferred position of the word for a hash.
func (x *index) home(h uint64) int { return int(h >> 32 >> x.shift) }

// add adds a slot that is not in the index yet.
func (x *index) add(h uint64, slot int32) {
	if 2*(x.n+1) > len(x.words) {
		x.grow()
	}
	x.put(word(h, slot))
	x.n++
}

func (x *index) put(w uint64) {
	mask, at := len(x.words)-1, x.home(w)
	for x.words[at&mask] != 0 {
		at++
	}
	x.words[at&mask] = w
}

func (x *index) grow() {
	old := x.words
	x.words = make([]uint64, max(8, 2*len(old)))
	x.shift = 32 - bits.TrailingZeros(uint(len(x.words)))
	for _, w := range old {
		if w != 0 {
			x.put(w)
		}
	}
}

// remove removes the slot of a key with the hash h. Words displaced by it move back.
func (x *index) remove(h uint64, slot int32) {
	mask, at := len(x.words)-1, x.home(h)
	for x.words[at&mask] != word(h, slot) {
		at++
	}
	gap := at & mask
	for next := (gap + 1) & mask; x.words[next] != 0; next = (next + 1) & mask {
		if far := next - x.home(x.words[next]); far&mask >= (next-gap)&mask {
			x.words[gap], gap = x.words[next], next
		}
	}
	x.words[gap] = 0
	x.n--
}
