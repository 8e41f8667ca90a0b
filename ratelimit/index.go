package ratelimit

import "math/bits"

// An index finds the slots of keys by their hashes. It is a table with linear probing
// (Knuth, The Art of Computer Programming, volume 3, section 6.4) of one word for each
// key, at most half full, so that a look touches one line of cache, where a map touches
// two. The zero index is empty.
type index struct {
	words []uint64 // the upper half of a hash, and a slot and 1 below it; 0: free
	shift int      // brings an upper half down to a place in words
	n     int
}

func word(h uint64, slot int32) uint64 { return h&^(1<<32-1) | uint64(slot+1) }

func slotOf(word uint64) int32 { return int32(uint32(word)) - 1 }

// find returns the first word for which the upper half of h is the right one, at the
// place from or after it, and where it is. It is 0 if there is none.
func (x *index) find(h uint64, from int) (w uint64, at int) {
	for mask := len(x.words) - 1; mask > 0; from++ {
		at = from & mask
		if w = x.words[at]; w == 0 || (w^h)>>32 == 0 {
			return w, at
		}
	}
	return 0, 0
}

// home is where the word for a hash is if nothing is in its way.
func (x *index) home(h uint64) int { return int(h >> 32 >> x.shift) }

// add puts in a slot that is not there yet.
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

// remove takes out the slot, whose key has this hash. What was pushed on by its word
// moves up.
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
