package redisstore

import (
	"slices"
	"strings"
	"testing"
)

func TestDecodeKeys(t *testing.T) {
	for _, keys := range [][]string{nil, {"a"}, {"", "b"}, {strings.Repeat("k", 300), "\x00"}} {
		id, got, ok := decodeKeys(encodeKeys("01234567", keys))
		if id != "01234567" || !slices.Equal(got, keys) || !ok {
			t.Errorf("%q: %q, %q, %v", keys, id, got, ok)
		}
	}
	for _, message := range []string{"", "0123456", "01234567\x01", "01234567\xff", "01234567\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "01234567\x01a\x02b"} {
		if _, keys, ok := decodeKeys(message); ok {
			t.Errorf("%q: %q", message, keys)
		}
	}
}

// TestAnnouncer_bound: while nothing can be published, so many keys wait at most.
func TestAnnouncer_bound(t *testing.T) {
	a := &announcer{busy: true}
	for range 3 {
		a.announce(make([]string, mostAnnounced*2/3))
	}
	if n := len(a.waiting); n != mostAnnounced {
		t.Errorf("%d keys wait, want %d", n, mostAnnounced)
	}
}
