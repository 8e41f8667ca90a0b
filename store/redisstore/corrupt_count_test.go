package redisstore

import "testing"

// TestCorruptValues: a value is counted once, whatever other values there are, until
// maxCorrupt others came after it.
func TestCorruptValues(t *testing.T) {
	var v corruptValues
	count := func(from, to uint64) (n int) {
		for hash := from; hash < to; hash++ {
			if v.add(hash * 64) { // equal in their low bits
				n++
			}
		}
		return n
	}
	if n := count(0, maxCorrupt); n != maxCorrupt {
		t.Errorf("%d of %d values were counted", n, maxCorrupt)
	}
	if n := count(0, maxCorrupt); n != 0 {
		t.Errorf("%d values were counted twice", n)
	}
	if n := count(maxCorrupt, maxCorrupt+10); n != 10 {
		t.Errorf("%d of 10 more values were counted", n)
	}
	if n := count(10, maxCorrupt+10); n != 0 {
		t.Errorf("%d of the newest values were forgotten", n)
	}
	if n := count(0, 10); n != 10 || len(v.is) != maxCorrupt || len(v.ring) != maxCorrupt {
		t.Errorf("%d of the 10 oldest were forgotten; %d and %d are kept", n, len(v.is), len(v.ring))
	}
}
