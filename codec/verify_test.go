package codec_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// verify returns a codec that verifies each value, and the reports of it.
func verify[T any](t *testing.T, inner codec.Codec[T], every uint64) (codec.Codec[T], *[]error) {
	t.Helper()
	var reports []error
	c, err := codec.Verify(inner, &codec.VerifyOptions{Every: every, Report: func(err error) { reports = append(reports, err) }})
	if err != nil {
		t.Fatal(err)
	}
	return c, &reports
}

// A redacted value hides a field from JSON, by a method.
type redacted struct{ Name, Password string }

func (r redacted) MarshalJSON() ([]byte, error)  { return json.Marshal(r.Name) }
func (r *redacted) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.Name) }

type wrapped struct {
	Err  error
	Any  any
	List []int
}

type cause struct{ Code int }

func (cause) Error() string { return "cause" }

// Values that come back equal are encoded; of the others the error names the place and why.
func TestVerify(t *testing.T) {
	self := map[string]any{}
	self["self"] = self
	now := time.Now()
	m := codec.Msgpack[wrapped]()
	for _, row := range []struct {
		v    wrapped
		want string
	}{
		{wrapped{}, ""},
		{wrapped{Err: errors.New("text"), Any: map[string]any{"a": int64(5), "b": "c", "d": []any{true, nil, 2.5}, "e": now}, List: []int{}}, ""},
		{wrapped{Any: math.NaN()}, ""},
		{wrapped{Any: 5}, "wrapped.Any is a int64, was a int"},
		{wrapped{Any: map[string]any{"secret": []any{float32(5)}}}, "wrapped.Any[key][] is a float64, was a float32"},
		{wrapped{Any: []byte("secret")}, "wrapped.Any is a string, was a []uint8"},
		{wrapped{Any: map[int]string{1: "secret"}}, "is written, but cannot be read"},
		{wrapped{Any: []string{"secret"}}, "wrapped.Any is a []interface {}, was a []string"},
		{wrapped{Err: cause{5}}, "wrapped.Err is a *errors.errorString, was a codec_test.cause"},
		{wrapped{Any: (*int)(nil)}, "wrapped.Any is nil, was a *int"},
		{wrapped{Any: self}, "refer to themselves"},
	} {
		c, reports := verify[wrapped](t, m, 1)
		out, err := c.Append([]byte("-"), row.v)
		switch {
		case row.want == "" && (err != nil || len(*reports) != 0):
			t.Errorf("%+v: %v", row.v, err)
		case row.want != "" && (err == nil || string(out) != "-" || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("Append = %q, %v; want an error that says %q", out, err, row.want)
		case row.want != "" && (len(*reports) != 1 || (*reports)[0] != err):
			t.Errorf("%d reports of %v", len(*reports), err)
		case row.want != "" && !errors.Is(err, codec.ErrLossy) && row.want != "refer to themselves":
			t.Errorf("%v is not ErrLossy", err)
		}
	}
}

// What methods write of a value in several forms is equal; what they leave out is not.
func TestVerify_methods(t *testing.T) {
	equal := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ints, _ := verify[big.Int](t, codec.Msgpack[big.Int](), 1)
	_, err := ints.Append(nil, *new(big.Int).Sub(big.NewInt(5), big.NewInt(5)))
	equal(err)
	ips, _ := verify[net.IP](t, codec.Msgpack[net.IP](), 1)
	_, err = ips.Append(nil, net.IPv4(192, 0, 2, 1).To4())
	equal(err)
	raws, _ := verify[json.RawMessage](t, codec.JSON[json.RawMessage](), 1)
	_, err = raws.Append(nil, json.RawMessage(`{"a": [1, 2]}`))
	equal(err)
	if _, err := raws.Append(nil, nil); !errors.Is(err, codec.ErrLossy) {
		t.Errorf("nil that comes back as null: %v", err)
	}
	hidden, _ := verify[redacted](t, codec.JSON[redacted](), 1)
	if _, err := hidden.Append(nil, redacted{"n", "p"}); !errors.Is(err, codec.ErrLossy) || !strings.Contains(err.Error(), "redacted.Password") {
		t.Errorf("a field that a method leaves out: %v", err)
	}
	bare, _ := verify(t, codec.Codec[[]byte](codec.Bytes()), 1)
	_, err = bare.Append(nil, nil)
	equal(err)
}

type angle struct {
	Degrees float64 `msgpack:",omitempty" json:",omitempty"`
	Exact   float64
}

var minusZero = angle{Degrees: math.Copysign(0, -1)}

// A negative zero prints another text than zero, and omitempty drops it.
func TestVerify_negativeZero(t *testing.T) {
	for _, inner := range []codec.Codec[angle]{codec.Msgpack[angle](), codec.JSON[angle]()} {
		c, _ := verify(t, inner, 1)
		if _, err := c.Append(nil, angle{Degrees: 1, Exact: minusZero.Degrees}); err != nil {
			t.Error(err)
		}
		if _, err := c.Append(nil, minusZero); !errors.Is(err, codec.ErrLossy) || !strings.Contains(err.Error(), "angle.Degrees has another value") {
			t.Errorf("%v: a -0 that comes back as 0: %v", inner, err)
		}
	}
}

// lowered is written in lower case.
type (
	lowered       string
	loweredStruct struct{ s string }
)

func (l lowered) MarshalText() ([]byte, error)        { return []byte(strings.ToLower(string(l))), nil }
func (l *lowered) UnmarshalText(b []byte) error       { *l = lowered(b); return nil }
func (l loweredStruct) String() string                { return l.s }
func (l loweredStruct) MarshalText() ([]byte, error)  { return []byte(strings.ToLower(l.s)), nil }
func (l *loweredStruct) UnmarshalText(b []byte) error { l.s = string(b); return nil }

// A method that leaves something out writes the same for values that differ.
func TestVerify_methodsThatLeaveSomethingOut(t *testing.T) {
	changes(t, lowered("A"))
	changes(t, loweredStruct{"A"})
	changes(t, big.NewFloat(0.1))                // 53 bits come back as 64
	changes(t, new(big.Float).SetPrec(200))      // even zero has a precision
	changes(t, map[string]lowered{"k": "A"})     // inside
	changes(t, []*loweredStruct{{"a"}, {"Abc"}}) // behind a pointer
}

// changes checks that both codecs find that v does not come back.
func changes[T any](t *testing.T, v T) {
	t.Helper()
	for _, inner := range []codec.Codec[T]{codec.Msgpack[T](), codec.JSON[T]()} {
		c, _ := verify[T](t, inner, 1)
		if _, err := c.Append(nil, v); !errors.Is(err, codec.ErrLossy) {
			t.Errorf("%v of %T %v: %v, want ErrLossy", inner, v, v, err)
		}
	}
}

// The first value is verified and each Every-th; once one has failed, all are.
func TestVerify_every(t *testing.T) {
	c, reports := verify[angle](t, codec.Msgpack[angle](), 5)
	fails := func(v angle) bool {
		_, err := c.Append(nil, v)
		return err != nil
	}
	for i, want := range []bool{false, false, false, false, true, true, true} {
		v := minusZero
		if i == 0 {
			v = angle{Degrees: 1}
		}
		if got := fails(v); got != want {
			t.Errorf("value %d: failed %v, want %v", i+1, got, want)
		}
	}
	if fails(angle{Degrees: 1}) || len(*reports) != 3 {
		t.Errorf("%d reports", len(*reports))
	}
}

// What cannot be read is reported, and has further values verified.
func TestVerify_decode(t *testing.T) {
	c, reports := verify[angle](t, codec.Msgpack[angle](), 1000)
	if _, err := c.Append(nil, angle{Degrees: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decode([]byte{0xc1}); !errors.Is(err, codec.ErrCorrupt) || len(*reports) != 1 {
		t.Errorf("%v, %d reports", err, len(*reports))
	}
	if _, err := c.Append(nil, minusZero); !errors.Is(err, codec.ErrLossy) {
		t.Error(err)
	}
}

// Each value with a new type in an any or error is verified, however late it comes, as are
// nils and unsigned integers there.
func TestVerify_newTypes(t *testing.T) {
	now := time.Now()
	for _, inner := range []codec.Codec[wrapped]{codec.Msgpack[wrapped](), codec.JSON[wrapped]()} {
		c, _ := verify(t, inner, 0)
		good := []wrapped{{Any: "text"}, {Any: map[string]any{"a": 2.5, "b": []any{true, "c"}}}, {}}
		if isMsgpack := codec.ID(inner) == codec.IDMsgpack; isMsgpack {
			good = append(good, wrapped{Any: int64(200)}, wrapped{Any: now}, wrapped{Err: errors.New("text")}, wrapped{Any: uint64(1 << 63)})
		}
		for _, v := range good {
			if _, err := c.Append(nil, v); err != nil {
				t.Errorf("%v: %v", inner, err)
			}
		}
		for _, bad := range []wrapped{
			{Any: []any{"text", 5}}, {Any: map[string]any{"a": map[string]any{"b": float32(1)}}}, {Any: &now}, {Err: cause{1}},
			{Any: []any{uint64(1)}}, {Any: map[string]any(nil)}, {Any: struct{ A any }{"b"}},
		} {
			fresh, _ := verify(t, inner, 0)
			for _, v := range append(good, bad) {
				if _, err := fresh.Append(nil, v); (err != nil) != reflect.DeepEqual(v, bad) {
					t.Errorf("%v: %v: %v", inner, v, err)
				}
			}
		}
	}
}

func TestVerify_isItsInnerCodec(t *testing.T) {
	inner := seal[price](t, codec.JSON[price](), ring(t))
	c, _ := verify(t, inner, 1)
	if got, want := c.(interface{ String() string }).String(), inner.(interface{ String() string }).String(); got != want {
		t.Errorf("called %s, want %s", got, want)
	}
	if codec.ID(c) != codec.ID(inner) || codec.Check(c) != nil {
		t.Errorf("identity %d, %v", codec.ID(c), codec.Check(c))
	}
	if got := roundTrip(t, c, price{5}); got != (price{5}) {
		t.Errorf("got %v", got)
	}
	if _, err := codec.Verify[int](nil, nil); err == nil {
		t.Error("there is no inner codec")
	}
}

// A value that refers to itself is an error, and does not overflow the stack.
func TestMsgpack_valuesThatReferToThemselves(t *testing.T) {
	ring := &chained{Name: "a"}
	ring.Next = &chained{Name: "b", Next: ring}
	if out, err := codec.Msgpack[*chained]().Append([]byte("-"), ring); err == nil || string(out) != "-" {
		t.Errorf("Append = %d bytes, %v", len(out), err)
	}
	list := []any{nil}
	list[0] = list
	if _, err := codec.Msgpack[any]().Append(nil, list); err == nil {
		t.Error("no error")
	}
	long := []any{strings.Repeat("x", 5000), map[string]any{"a": strings.Repeat("y", 5000)}}
	if _, err := codec.Msgpack[any]().Append(nil, long); err != nil {
		t.Error(err)
	}
}

// While the first value is being verified, others are too.
func TestVerify_concurrent(t *testing.T) {
	inner := &slowDecoder{Codec: codec.Msgpack[wrapped](), began: make(chan struct{}), goOn: make(chan struct{})}
	c, err := codec.Verify[wrapped](inner, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error)
	go func() {
		_, err := c.Append(nil, wrapped{})
		first <- err
	}()
	<-inner.began
	if _, err := c.Append(nil, wrapped{Any: 5}); !errors.Is(err, codec.ErrLossy) {
		t.Errorf("a lossy value beside the first one: %v", err)
	}
	close(inner.goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// A slowDecoder holds its first Decode back.
type slowDecoder struct {
	codec.Codec[wrapped]
	later       atomic.Bool
	began, goOn chan struct{}
}

func (s *slowDecoder) Decode(src []byte) (wrapped, error) {
	if !s.later.Swap(true) {
		close(s.began)
		<-s.goOn
	}
	return s.Codec.Decode(src)
}
