package codec

import (
	"strings"
	"testing"
	"time"
)

// scanned is what BenchmarkScan looks over: 20 fields, as in BenchmarkListing.
func scanned(tb testing.TB) []byte {
	type row struct {
		S1, S2, S3, S4, S5, S6 string
		I1, I2, I3, I4, I5, I6 int64
		F1, F2, F3             float64
		B1                     bool
		L1, L2                 []string
		T1, T2                 time.Time
	}
	out, err := Msgpack[row]().Append(nil, row{S1: "Bright loft by the canal", S2: "Amsterdam", I1: 4217, I2: 99120, F1: 52.3752,
		L1: []string{"wifi", "kitchen", "washer", "heating", "workspace"}, T1: time.Unix(1_700_000_000, 5), T2: time.Unix(1_700_000_000, 0)})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestScan_findsTheEndOfEveryType(t *testing.T) {
	fill := func(head string, n int) string { return head + strings.Repeat("\xc1", n) }
	whole := []string{
		"\x00", "\x7f", "\xe0", "\xff", "\xc0", "\xc2", "\xc3", "\x80", "\x90", "\xa0",
		fill("\xcc", 1), fill("\xcd", 2), fill("\xce", 4), fill("\xcf", 8),
		fill("\xd0", 1), fill("\xd1", 2), fill("\xd2", 4), fill("\xd3", 8), fill("\xca", 4), fill("\xcb", 8),
		fill("\xbf", 31), fill("\xd9\xff", 255), fill("\xda\x01\x02", 258), fill("\xdb\x00\x01\x00\x02", 65538),
		fill("\xc4\x02", 2), fill("\xc5\x01\x00", 256), fill("\xc6\x00\x00\x01\x00", 256),
		fill("\xd4\x05", 1), fill("\xd5\x05", 2), fill("\xd6\x05", 4), fill("\xd7\x05", 8), fill("\xd8\x05", 16),
		"\xc7\x00\x05", fill("\xc7\x03\x05", 3), fill("\xc8\x01\x00\x05", 256), fill("\xc9\x00\x00\x00\x01\x05", 1),
		"\x92\x01\x91\xc0", "\x82\xa1a\x01\x02\x80", "\xdc\x00\x02\x01\x02", "\xdd\x00\x00\x00\x01\x01",
		"\xde\x00\x01\x01\x02", "\xdf\x00\x00\x00\x01\x01\x02",
	}
	for _, src := range whole {
		s := scan{src: []byte(src + "\xc0\xc0")}
		if got := s.value(0, 0); got != len(src) {
			t.Errorf("%x: the value ends at %d, want %d", src[:min(9, len(src))], got, len(src))
		}
		for n := range len(src) {
			s := scan{src: []byte(src[:n])}
			if got := s.value(0, 0); got != truncated {
				t.Fatalf("%x: %d bytes are a value that ends at %d", src[:min(9, n)], n, got)
			}
		}
	}
	for _, src := range []string{"", "\xc1", "\x91\xc1"} {
		s := scan{src: []byte(src)}
		if got := s.value(0, 0); got != truncated {
			t.Errorf("%x is a value that ends at %d", src, got)
		}
	}
}

func TestScan_doesNotAllocate(t *testing.T) {
	var s scan
	s.src = scanned(t)
	if err := s.all(0); err != nil { // makes room for the offsets
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { _ = s.all(0) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

// BenchmarkScan measures what the look over the input adds to a Decode.
func BenchmarkScan(b *testing.B) {
	var s scan
	s.src = scanned(b)
	b.SetBytes(int64(len(s.src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.all(0); err != nil {
			b.Fatal(err)
		}
	}
}
