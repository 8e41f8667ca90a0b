package codec

import (
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

func TestScan_doesNotAllocate(t *testing.T) {
	var s scan
	s.src = scanned(t)
	if err := s.all(); err != nil { // makes room for the offsets
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { _ = s.all() }); got != 0 {
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
		if err := s.all(); err != nil {
			b.Fatal(err)
		}
	}
}
