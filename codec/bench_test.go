package codec_test

import (
	"fmt"
	"testing"

	"github.com/lokroom/strata/codec"
	"github.com/vmihailenco/msgpack/v5"
)

// benchmarkCodec measures a codec on v: encode into a reused buffer, and decode.
func benchmarkCodec[T any](b *testing.B, name string, c codec.Codec[T], v T) {
	out, err := codec.AppendFor(c, nil, "listing:42", v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run(name+"/encode", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 2*len(out)+4096)
		for b.Loop() {
			if _, err := codec.AppendFor(c, buf, "listing:42", v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(out)), "bytes")
	})
	b.Run(name+"/decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.DecodeFor(c, "listing:42", out); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkListing compares all codecs on a listing of 20 fields with plain
// msgpack.Marshal and msgpack.Unmarshal, the baseline.
func BenchmarkListing(b *testing.B) {
	v := sample()
	b.Run("baseline/encode", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			out, _ = msgpack.Marshal(v)
		}
		b.ReportMetric(float64(len(out)), "bytes")
	})
	b.Run("baseline/decode", func(b *testing.B) {
		out, err := msgpack.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			var got listing
			if err := msgpack.Unmarshal(out, &got); err != nil {
				b.Fatal(err)
			}
		}
	})
	m := codec.Codec[listing](codec.Msgpack[listing]())
	s2 := compress(b, m, &codec.CompressOptions{Threshold: 1})
	zstd := compress(b, m, &codec.CompressOptions{Threshold: 1, Algorithm: codec.Zstd})
	benchmarkCodec(b, "msgpack", m, v)
	benchmarkCodec(b, "generated", codec.Msgpack[generatedListing](), generatedListing(v))
	benchmarkCodec(b, "json", codec.JSON[listing](), v)
	benchmarkCodec(b, "s2", s2, v)
	benchmarkCodec(b, "zstd", zstd, v)
	benchmarkCodec(b, "seal", seal(b, m, ring(b)), v)
	benchmarkCodec(b, "seal-s2", seal(b, s2, ring(b)), v)
}

// BenchmarkListings is the same for a page of 100 listings.
func BenchmarkListings(b *testing.B) {
	page := make([]listing, 100)
	for i := range page {
		page[i] = sample()
		page[i].ID, page[i].Title = int64(i), fmt.Sprintf("%s %d", page[i].Title, i)
	}
	m := codec.Codec[[]listing](codec.Msgpack[[]listing]())
	benchmarkCodec(b, "msgpack", m, page)
	benchmarkCodec(b, "s2", compress(b, m, nil), page)
	benchmarkCodec(b, "zstd", compress(b, m, &codec.CompressOptions{Algorithm: codec.Zstd}), page)
}
