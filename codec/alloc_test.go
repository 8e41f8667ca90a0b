package codec_test

import (
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

// spends checks how many allocations an Append into a buffer with room makes, and
// a Decode.
func spends[T any](t *testing.T, c codec.Codec[T], v T, toAppend, toDecode float64) {
	t.Helper()
	out, err := codec.AppendFor(c, nil, "listing:42", v)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 2*len(out)+4096)
	if got := testing.AllocsPerRun(200, func() { _, _ = codec.AppendFor(c, buf, "listing:42", v) }); got > toAppend {
		t.Errorf("%v: Append makes %v allocations, want at most %v", c, got, toAppend)
	}
	if got := testing.AllocsPerRun(200, func() { _, _ = codec.DecodeFor(c, "listing:42", out) }); got > toDecode {
		t.Errorf("%v: Decode makes %v allocations, want at most %v", c, got, toDecode)
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Log("not counted under the race detector; run go test without -race as well")
		return
	}
	text := strings.Repeat("a value that compresses ", 100)
	always := &codec.CompressOptions{Threshold: 1}
	zstd := &codec.CompressOptions{Algorithm: codec.Zstd}
	// A listing has 11 strings and a slice: 12 allocations are the value itself.
	// Reflection boxes the slice of strings and the two times to encode them.
	spends(t, codec.Msgpack[listing](), sample(), 3, 12)
	spends(t, codec.Msgpack[generatedListing](), generatedListing(sample()), 0, 12)
	spends(t, codec.Msgpack[int64](), 1<<40, 0, 0)
	spends(t, codec.Msgpack[string](), text, 0, 1)
	spends(t, codec.String(), text, 0, 1)
	spends(t, codec.Bytes(), []byte(text), 0, 1)
	spends(t, codec.JSON[listing](), sample(), 4, 24)
	spends(t, compress(t, codec.String(), always), text, 0, 1)
	spends(t, compress(t, codec.String(), zstd), text, 0, 1)
	spends(t, seal(t, codec.String(), ring(t)), text, 0, 1)
	spends(t, seal(t, compress(t, codec.Msgpack[listing](), always), ring(t)), sample(), 3, 12)
}
