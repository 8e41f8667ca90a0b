package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strconv"
	"strings"

	"github.com/lokroom/strata/codec"
)

type User struct {
	ID   int64  `msgpack:"id"`
	Name string `msgpack:"name"`
}

func ExampleMsgpack() {
	c := codec.Msgpack[User]()
	b, err := c.Append(nil, User{ID: 42, Name: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", b)
	u, err := c.Decode(b)
	fmt.Println(u, err)
	_, err = c.Decode(b[:5])
	fmt.Println(errors.Is(err, codec.ErrCorrupt), err)
	// Output:
	// "\x82\xa2id*\xa4name\xa3Ada"
	// {42 Ada} <nil>
	// true codec: msgpack: corrupt: no codec_test.User: no codec_test.User at byte 5
}

func ExampleJSON() {
	c := codec.JSON[map[string]int]()
	b, err := c.Append(nil, map[string]int{"a": 1})
	fmt.Println(string(b), err)
	// Output: {"a":1} <nil>
}

func ExampleBytes() {
	b, err := codec.Bytes().Append([]byte("to "), []byte("append"))
	fmt.Println(string(b), err)
	// Output: to append <nil>
}

func ExampleString() {
	v, err := codec.String().Decode([]byte("text"))
	fmt.Println(v, err)
	// Output: text <nil>
}

func ExampleCompress() {
	c, err := codec.Compress(codec.String(), &codec.CompressOptions{Algorithm: codec.Zstd})
	if err != nil {
		log.Fatal(err)
	}
	text := strings.Repeat("Nothing compresses like repetition. ", 100)
	b, err := c.Append(nil, text)
	fmt.Println(c, len(text), len(b) < 100, err)
	v, err := c.Decode(b)
	fmt.Println(v == text, err)
	// Output:
	// zstd(string) 3600 true <nil>
	// true <nil>
}

func ExampleSeal() {
	// Secrets come from a key management service; these are an example.
	old := codec.Key{ID: 1, Secret: bytes.Repeat([]byte{1}, 32)}
	next := codec.Key{ID: 2, Secret: bytes.Repeat([]byte{2}, 32)}
	ring, err := codec.NewKeyRing(next, old) // next seals, both open
	if err != nil {
		log.Fatal(err)
	}
	packed, err := codec.Compress(codec.Msgpack[User](), nil)
	if err != nil {
		log.Fatal(err)
	}
	c, err := codec.Seal(packed, ring)
	if err != nil {
		log.Fatal(err)
	}
	b, err := codec.AppendFor(c, nil, "user:42", User{ID: 42, Name: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	u, err := codec.DecodeFor(c, "user:42", b)
	fmt.Println(u, err)
	_, err = codec.DecodeFor(c, "user:43", b)
	fmt.Println(err)
	// Output:
	// {42 Ada} <nil>
	// codec: seal(s2(msgpack)): corrupt: not sealed for this cache key, or changed since
}

func ExampleNewKeyRing() {
	_, err := codec.NewKeyRing(codec.Key{ID: 1, Secret: []byte("too short")})
	fmt.Println(err)
	fmt.Println(codec.Key{ID: 1, Secret: []byte("never printed")})
	// Output:
	// codec: NewKeyRing: key 1: the secret has 9 bytes, not 32
	// key 1
}

// decimal is a codec for integers that redis-cli can read.
type decimal struct{}

func (decimal) Append(dst []byte, v int64) ([]byte, error) { return strconv.AppendInt(dst, v, 10), nil }

func (decimal) Decode(src []byte) (int64, error) {
	v, err := strconv.ParseInt(string(src), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("decimal: %w", codec.ErrCorrupt)
	}
	return v, nil
}

func (decimal) CodecID() byte  { return 128 }
func (decimal) String() string { return "decimal" }

func ExampleCodec() {
	c, err := codec.Compress[int64](decimal{}, nil)
	fmt.Println(c, err)
	fmt.Println(codec.ID[int64](decimal{}), codec.ID(c))
	_, err = codec.DecodeFor[int64](decimal{}, "key", []byte("x1"))
	fmt.Println(err)
	// Output:
	// s2(decimal) <nil>
	// 128 5
	// decimal: corrupt
}
