package codec_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

// A link has the methods of a pointer that is nil: each of them panics.
type link struct {
	*url.URL
	Title string
}

// A grumpy value panics in every method of every codec.
type grumpy struct{ Text string }

func (grumpy) MarshalText() ([]byte, error) { panic("secret") }
func (*grumpy) UnmarshalText([]byte) error  { panic(errors.New("secret")) }

// The encoder of msgpack overflows the stack on a struct that embeds itself, which no
// recover stops: it must not get there, neither by the type nor in an any.
func TestMsgpack_structThatEmbedsItself(t *testing.T) {
	refused := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "embeds itself") {
			t.Errorf("got %v", err)
		}
	}
	_, err := codec.Msgpack[[]selfEmbedded]().Append(nil, []selfEmbedded{{V: 1}})
	refused(err)
	holder := codec.Msgpack[map[string]any]()
	for _, v := range []any{selfEmbedded{}, &embedsEachOther{}, []any{map[string]any{"a": struct{ V any }{[1]embedsBack{}}}}} {
		_, err = holder.Append(nil, map[string]any{"a": int64(1), "b": v})
		refused(err)
	}
	if _, err := holder.Append(nil, map[string]any{"a": []any{int64(1)}}); err != nil {
		t.Error(err)
	}
}

// A grumpyCodec panics itself.
type grumpyCodec struct{}

func (grumpyCodec) Append([]byte, int) ([]byte, error) { panic("secret") }
func (grumpyCodec) Decode([]byte) (int, error)         { panic("secret") }

// appendFails checks that c refuses v, leaves dst alone, says nothing of the value, and
// is fit for good afterwards.
func appendFails[T any](t *testing.T, c codec.Codec[T], v, good T) {
	t.Helper()
	for range 3 {
		out, err := codec.AppendFor(c, []byte("before"), "k", v)
		if err == nil || string(out) != "before" || !strings.Contains(err.Error(), "panic") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: Append = %q, %v; want dst and an error that says panic", c, out, err)
		}
		out, err = codec.AppendFor(c, []byte("before"), "k", good)
		if err != nil || len(out) <= len("before") {
			t.Errorf("%v: Append of a good value = %q, %v", c, out, err)
		}
	}
}

func TestAppend_panicIsAnError(t *testing.T) {
	good := link{&url.URL{Path: "/"}, "t"}
	for _, c := range []codec.Codec[link]{
		codec.Msgpack[link](), compress(t, codec.Msgpack[link](), nil), seal(t, codec.Msgpack[link](), ring(t)),
	} {
		appendFails(t, c, link{Title: "t"}, good)
	}
	for _, c := range []codec.Codec[[]grumpy]{codec.Msgpack[[]grumpy](), codec.JSON[[]grumpy]()} {
		appendFails(t, c, []grumpy{{"x"}}, []grumpy{})
		if out, err := c.Append([]byte("-"), []grumpy{{"x"}}); err == nil || string(out) != "-" {
			t.Errorf("%v: Append = %q, %v", c, out, err)
		}
	}
	if out, err := codec.AppendFor[int](grumpyCodec{}, []byte("-"), "k", 1); err == nil || string(out) != "-" || strings.Contains(err.Error(), "secret") {
		t.Errorf("AppendFor = %q, %v", out, err)
	}
}

func TestDecode_panicIsCorrupt(t *testing.T) {
	if _, err := codec.JSON[grumpy]().Decode([]byte(`"x"`)); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("json: %v", err)
	}
	if _, err := codec.Msgpack[grumpy]().Decode([]byte("\xa1x")); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("msgpack: %v", err)
	}
	if _, err := codec.DecodeFor[int](grumpyCodec{}, "k", nil); !errors.Is(err, codec.ErrCorrupt) || strings.Contains(err.Error(), "secret") {
		t.Errorf("DecodeFor: %v", err)
	}
}
