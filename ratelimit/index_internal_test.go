package ratelimit

import (
	"math/rand/v2"
	"testing"
)

// An index finds what is in it and nothing else, whatever was put in and taken out, with
// hashes that fall together.
func TestIndex_random(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var x index
		in := make(map[int32]uint64)
		hashes := 1 + rnd.Uint64N(64)
		for range 400 {
			slot := rnd.Int32N(64)
			if h, ok := in[slot]; ok {
				x.remove(h, slot)
				delete(in, slot)
			} else {
				in[slot] = rnd.Uint64N(hashes) * (1 << 63 / hashes * 2)
				x.add(in[slot], slot)
			}
			if x.n != len(in) || 2*x.n > len(x.words) {
				t.Fatalf("%d of %d slots in %d words", x.n, len(in), len(x.words))
			}
			for slot := range int32(64) {
				h, want := in[slot]
				found := false
				for w, at := x.find(h, x.home(h)); w != 0; w, at = x.find(h, at+1) {
					found = found || slotOf(w) == slot
				}
				if found != want {
					t.Fatalf("slot %d with hash %x: found %v, want %v", slot, h, found, want)
				}
			}
		}
	}
}
