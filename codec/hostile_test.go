package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// refuses checks that Msgpack[T] finds src corrupt, and allocates little to do so.
func refuses[T any](t *testing.T, src string) {
	t.Helper()
	c := codec.Msgpack[T]()
	_, _ = c.Decode([]byte{0xc0}) // what is made once for the type
	var err error
	spent := allocated(func() { _, err = c.Decode([]byte(src)) })
	if !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("%T from %x: error %v, want ErrCorrupt", *new(T), head(src), err)
	}
	if most := uint64(64<<10 + 200*len(src)); spent > most {
		t.Errorf("%T from %x: %d bytes allocated, of at most %d", *new(T), head(src), spent, most)
	}
}

func head(s string) string { return s[:min(len(s), 24)] }

// everywhere checks src against types that reach all ways of decoding.
func everywhere(t *testing.T, src string) {
	t.Helper()
	refuses[any](t, src)
	refuses[[]any](t, src)
	refuses[map[string]any](t, src)
	refuses[map[any]any](t, src)
	refuses[map[string]string](t, src)
	refuses[map[int]listing](t, src)
	refuses[[]listing](t, src)
	refuses[[]*listing](t, src)
	refuses[[]string](t, src)
	refuses[[][]byte](t, src)
	refuses[[2]map[string]any](t, src)
	refuses[[]byte](t, src)
	refuses[string](t, src)
	refuses[time.Time](t, src)
	refuses[listing](t, src)
	refuses[generatedListing](t, src)
	refuses[struct{ A map[string]any }](t, src)
}

func TestMsgpack_declaredLengthsDoNotAllocate(t *testing.T) {
	for _, code := range []string{"\xc6", "\xc9", "\xdb", "\xdd", "\xdf"} {
		for _, n := range []string{"\xff\xff\xff\xff", "\x7f\xff\xff\xff", "\x10\x00\x00\x00", "\x00\x10\x00\x00"} {
			everywhere(t, code+n)
			everywhere(t, code+n+"\xc0\xc0\xc0")
			everywhere(t, "\x81\xa1A"+code+n)
			everywhere(t, "\x92\xc0"+code+n)
		}
	}
}

// The sum of what nested lengths declare must be bounded too: each of them
// alone fits into the bytes that follow.
func TestMsgpack_nestedLengthsDoNotAddUp(t *testing.T) {
	type nest []nest
	var src strings.Builder
	for range 900 {
		src.WriteString("\xdd\x00\x00\x80\x00") // 32768 elements
	}
	src.WriteString(strings.Repeat("\xc0", 40_000))
	refuses[nest](t, src.String())
	everywhere(t, src.String())
}

func TestMsgpack_nestingIsBounded(t *testing.T) {
	type chain struct{ Next *chain }
	for _, level := range []string{"\x91", "\x81\xc0", "\x81\xa4Next"} {
		everywhere(t, strings.Repeat(level, 2_000_000))
		everywhere(t, strings.Repeat(level, 2_000)+"\xc0")
		refuses[chain](t, strings.Repeat(level, 2_000)+"\xc0")
		// In a field that the type does not have.
		refuses[listing](t, "\x81\xa1x"+strings.Repeat(level, 2_000)+"\xc0")
	}
	c := codec.Msgpack[*chain]()
	var long *chain
	for range 1000 {
		long = &chain{long}
	}
	got, depth := roundTrip(t, c, long), 0
	for ; got != nil; got = got.Next {
		depth++
	}
	if depth != 1000 {
		t.Errorf("%d of 1000 levels came back", depth)
	}
	if _, err := c.Append(nil, &chain{long}); err == nil {
		t.Error("1001 levels are encoded")
	}
	src := strings.Repeat("\x81\xa4Next", 1001) + "\xc0"
	if _, err := c.Decode([]byte(src)); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("1001 levels: error %v, want ErrCorrupt", err)
	}
}

// The decoder of msgpack steps over the head of an extension where it wants a
// map, and takes the payload, which may hold any bytes, for the map.
func TestMsgpack_extensionsDoNotHideLengths(t *testing.T) {
	for _, payload := range []string{
		"\xdf\xff\xff\xff\xff\x00\x00\x00", // the map itself
		"\x81\xa1A\xdd\xff\xff\xff\xff",    // an array in it
		"\x81\xa1A\xc6\xff\xff\xff\xff",    // bytes in it
	} {
		for _, head := range []string{"\xd7\xff", "\xc7\x08\xff", "\xc8\x00\x08\xff", "\xc9\x00\x00\x00\x08\xff", "\xd7\x05"} {
			src := head + payload
			refuses[map[string]any](t, src)
			refuses[map[string]string](t, src)
			refuses[map[string]listing](t, src)
			refuses[struct{ A map[string]any }](t, "\x81\xa1A"+src)
			refuses[struct{ A map[string][]any }](t, "\x81\xa1A"+src)
			refuses[[]map[string]any](t, "\x91"+src)
			// After extensions that are in order.
			refuses[struct {
				S, T time.Time
				A    map[string]any
			}](t, "\x83\xa1S\xd6\xff\x00\x00\x00\x01\xa1T\xd6\xff\x00\x00\x00\x01\xa1A"+src)
		}
	}
}

func TestMsgpack_whatReflectionPanicsForIsCorrupt(t *testing.T) {
	refuses[map[any]any](t, "\x81\x91\x01\x02")            // a slice as a key
	refuses[struct{ S fmt.Stringer }](t, "\x81\xa1S\xa1x") // a string is no Stringer
	refuses[map[fmt.Stringer]int](t, "\x81\xa1x\x01")
}

func TestMsgpack_usesNoneOfTheUnusedCode(t *testing.T) {
	everywhere(t, "\xc1")
	everywhere(t, "\x91\xc1")
	everywhere(t, "")
}

func TestJSON_nestingIsBounded(t *testing.T) {
	src := []byte(strings.Repeat("[", 1_000_000))
	if _, err := codec.JSON[any]().Decode(src); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

// The builders of the bombs are right: a smaller one of each kind inflates.
func TestCompress_bombsAreReal(t *testing.T) {
	const size = 16 << 20
	c := compress(t, codec.Bytes(), nil)
	for name, src := range map[string][]byte{"s2": repeatedS2(size), "zstd": repeatedZstd(size)} {
		got, err := c.Decode(src)
		if err != nil || len(got) != size || len(src) > 10<<10 {
			t.Errorf("%s: %d bytes become %d, %v; want %d", name, len(src), len(got), err, size)
		}
	}
}

// bombs are small and would become a gigabyte.
func bombs() map[string][]byte {
	const huge = 1 << 30
	return map[string][]byte{
		"s2":                            repeatedS2(huge),
		"zstd":                          repeatedZstd(huge),
		"zstd without size":             repeatedZstdUnsized(huge),
		"zstd that lies about its size": lyingZstd(huge, 1000),
		"zstd of two frames":            append(repeatedZstd(1000), repeatedZstd(huge / 2)[1:]...),
		"s2 that lies about its size":   append([]byte{1, 0xe8, 0x07}, repeatedS2(huge)[6:]...),
		"s2 that declares 4 GiB":        {1, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"zstd that declares 2^64":       append([]byte{2, 0x28, 0xb5, 0x2f, 0xfd, 0xe0}, bytes.Repeat([]byte{0xff}, 8)...),
	}
}

func TestCompress_bombsDoNotInflate(t *testing.T) {
	for name, bomb := range bombs() {
		c := compress(t, codec.Bytes(), nil)
		if len(bomb) > 256<<10 {
			t.Errorf("%s: the bomb has %d bytes", name, len(bomb))
		}
		_, _ = c.Decode(append([]byte{2}, "warm up"...))
		var err error
		spent := allocated(func() { _, err = c.Decode(bomb) })
		if !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("%s: error %v, want ErrCorrupt", name, err)
		}
		if spent > 1<<20 {
			t.Errorf("%s: %d bytes become %d in memory", name, len(bomb), spent)
		}
	}
}

func TestCompress_largestAllowedInflates(t *testing.T) {
	for name, src := range map[string][]byte{"s2": repeatedS2(5000), "zstd": repeatedZstd(5000), "raw": append([]byte{0}, make([]byte, 5000)...)} {
		c := compress(t, codec.Bytes(), &codec.CompressOptions{MaxSize: 5000})
		if got, err := c.Decode(src); err != nil || len(got) != 5000 {
			t.Errorf("%s: %d bytes, %v; want 5000", name, len(got), err)
		}
		c = compress(t, codec.Bytes(), &codec.CompressOptions{MaxSize: 4999})
		_, err := c.Decode(src)
		if !errors.Is(err, codec.ErrTooLarge) || !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("%s: error %v, want ErrTooLarge and ErrCorrupt", name, err)
		}
	}
}
