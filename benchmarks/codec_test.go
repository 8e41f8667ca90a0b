package benchmarks_test

import (
	"bytes"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lokroom/strata/codec"
)

// BenchmarkCodec encodes and decodes a listing. The baseline is codec=plain:
// msgpack.Marshal and Unmarshal. The others append to a reused buffer, like our Redis
// store. bytes is the size of the encoding.
func BenchmarkCodec(b *testing.B) {
	for _, c := range codecs(b) {
		b.Run("codec="+c.name+"/op=encode", func(b *testing.B) {
			benchSerial(b, contender{do: c.encode})
			b.ReportMetric(float64(c.size), "bytes")
		})
		b.Run("codec="+c.name+"/op=decode", func(b *testing.B) { benchSerial(b, contender{do: c.decode}) })
	}
}

type codecImpl struct {
	name           string
	size           int
	encode, decode func(int) error
}

func codecs(t testing.TB) []codecImpl {
	t.Helper()
	ring, err := codec.NewKeyRing(codec.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)})
	fill(t, err)
	m := codec.Msgpack[listing]()
	s2, err := codec.Compress(m, &codec.CompressOptions{Threshold: 1})
	fill(t, err)
	zstd, err := codec.Compress(m, &codec.CompressOptions{Threshold: 1, Algorithm: codec.Zstd})
	fill(t, err)
	sealed, err := codec.Seal(m, ring)
	fill(t, err)
	return []codecImpl{
		plainMsgpack(t),
		codecOf(t, "msgpack", m, newListing(1)),
		codecOf(t, "generated", codec.Msgpack[generated](), newGenerated(1)),
		codecOf(t, "json", codec.JSON[listing](), newListing(1)),
		codecOf(t, "s2", s2, newListing(1)),
		codecOf(t, "zstd", zstd, newListing(1)),
		codecOf(t, "seal", sealed, newListing(1)),
	}
}

func plainMsgpack(t testing.TB) codecImpl {
	t.Helper()
	v := newListing(1)
	blob, err := msgpack.Marshal(v)
	fill(t, err)
	return codecImpl{
		name: "plain", size: len(blob),
		encode: func(int) error { _, err := msgpack.Marshal(v); return err },
		decode: func(int) error { var v listing; return msgpack.Unmarshal(blob, &v) },
	}
}

func codecOf[V any](t testing.TB, name string, c codec.Codec[V], v V) codecImpl {
	t.Helper()
	const key = "listing:1"
	blob, err := codec.AppendFor(c, nil, key, v)
	fill(t, err)
	buf := make([]byte, 0, 4096)
	return codecImpl{
		name: name, size: len(blob),
		encode: func(int) error { _, err := codec.AppendFor(c, buf, key, v); return err },
		decode: func(int) error { _, err := codec.DecodeFor(c, key, blob); return err },
	}
}
