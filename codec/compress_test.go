package codec_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

func TestCompress_choosesTheMethod(t *testing.T) {
	noise := make([]byte, 4000)
	_, _ = rand.Read(noise)
	text := []byte(strings.Repeat("all work and no play ", 200))
	for _, test := range []struct {
		name   string
		o      *codec.CompressOptions
		v      []byte
		method byte
	}{
		{"text", nil, text, 1},
		{"text by zstd", &codec.CompressOptions{Algorithm: codec.Zstd}, text, 2},
		{"below the threshold", nil, text[:1023], 0},
		{"at the threshold", nil, text[:1024], 1},
		{"below a higher threshold", &codec.CompressOptions{Threshold: len(text) + 1}, text, 0},
		{"a short text by zstd", &codec.CompressOptions{Algorithm: codec.Zstd, Threshold: 1}, text[:100], 2},
		{"noise", nil, noise, 0},
		{"noise by zstd", &codec.CompressOptions{Algorithm: codec.Zstd}, noise, 0},
		{"one byte", &codec.CompressOptions{Threshold: 1}, text[:1], 0},
		{"nothing", &codec.CompressOptions{Threshold: 1}, nil, 0},
	} {
		c := compress(t, codec.Bytes(), test.o)
		out, err := c.Append(nil, test.v)
		if err != nil {
			t.Fatal(err)
		}
		if out[0] != test.method {
			t.Errorf("%s: method %d, want %d", test.name, out[0], test.method)
		}
		if len(out) > len(test.v)+1 {
			t.Errorf("%s: %d bytes became %d", test.name, len(test.v), len(out))
		}
		// Every codec reads what every other one wrote.
		for _, a := range []codec.Algorithm{codec.S2, codec.Zstd} {
			other := compress(t, codec.Bytes(), &codec.CompressOptions{Algorithm: a})
			if got, err := other.Decode(out); err != nil || !bytes.Equal(got, test.v) {
				t.Errorf("%s: read by %v: %d bytes, %v", test.name, other, len(got), err)
			}
		}
	}
}

func TestCompress_sizesAroundTheBlocks(t *testing.T) {
	for _, a := range []codec.Algorithm{codec.S2, codec.Zstd} {
		c := compress(t, codec.Bytes(), &codec.CompressOptions{Algorithm: a, Threshold: 1})
		for _, n := range []int{1, 2, 31, 255, 256, 257, 1023, 1024, 1025, 65535, 65536, 65537, 128<<10 + 1, 1<<20 + 1, 3 << 20} {
			v := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
			if got := roundTrip(t, c, v); !bytes.Equal(got, v) {
				t.Errorf("%v: %d bytes came back as others", c, n)
			}
		}
	}
}

func TestCompress_refusesTooLargeOnBothSides(t *testing.T) {
	c := compress(t, codec.Bytes(), &codec.CompressOptions{MaxSize: 100})
	if got := roundTrip(t, c, make([]byte, 100)); len(got) != 100 {
		t.Errorf("%d bytes came back, want 100", len(got))
	}
	dst := []byte("before")
	out, err := c.Append(dst, make([]byte, 101))
	if !errors.Is(err, codec.ErrTooLarge) || string(out) != "before" {
		t.Errorf("Append = %q, %v; want dst and ErrTooLarge", out, err)
	}
}

func TestCompress_refusesUnknownMethods(t *testing.T) {
	c := compress(t, codec.Bytes(), nil)
	for method := 3; method < 256; method++ {
		if _, err := c.Decode([]byte{byte(method), 1, 2, 3}); !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("method %d: error %v, want ErrCorrupt", method, err)
		}
	}
}

func TestCompress_reportsAllMistakes(t *testing.T) {
	_, err := codec.Compress[int](nil, &codec.CompressOptions{Algorithm: 9, Threshold: -1, MaxSize: -2})
	for _, want := range []string{"inner", "Algorithm", "Threshold", "MaxSize"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %s", err, want)
		}
	}
	if _, err := codec.Compress(codec.Bytes(), &codec.CompressOptions{MaxSize: 1<<30 + 1}); err == nil {
		t.Error("a MaxSize above 1 GiB is accepted")
	}
}

func TestCompress_copiesItsOptions(t *testing.T) {
	o := &codec.CompressOptions{MaxSize: 10}
	c := compress(t, codec.Bytes(), o)
	o.MaxSize = 1000
	if _, err := c.Append(nil, make([]byte, 11)); !errors.Is(err, codec.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestCompress_passesTheKeyThrough(t *testing.T) {
	c := compress(t, seal(t, codec.String(), ring(t)), nil)
	out, err := codec.AppendFor(c, nil, "a", "value")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := codec.DecodeFor(c, "a", out); err != nil || got != "value" {
		t.Errorf("DecodeFor = %q, %v", got, err)
	}
	if _, err := codec.DecodeFor(c, "b", out); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("under another key: error %v, want ErrCorrupt", err)
	}
	if _, err := c.Append(nil, "value"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a key: error %v, want ErrUnsupported", err)
	}
	if _, err := c.Decode(out); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a key: error %v, want ErrUnsupported", err)
	}
}
