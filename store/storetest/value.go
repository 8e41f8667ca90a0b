package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Value is what the suite stores. It has fields of the kinds that codecs differ
// in; Equal says when it has come back as it was.
type Value struct {
	Text   string
	Number int64
	Ratio  float64
	Flag   bool
	Bytes  []byte
	List   []string
	Counts map[string]int64
	Inner  *Value
	At     time.Time
}

// Equal reports whether v and w are the same value. A nil slice or map is the same
// as an empty one, and the zone of a time does not matter.
func (v Value) Equal(w Value) bool {
	if (v.Inner == nil) != (w.Inner == nil) || v.Inner != nil && !v.Inner.Equal(*w.Inner) {
		return false
	}
	return v.Text == w.Text && v.Number == w.Number && v.Ratio == w.Ratio && v.Flag == w.Flag &&
		bytes.Equal(v.Bytes, w.Bytes) && slices.Equal(v.List, w.List) && maps.Equal(v.Counts, w.Counts) &&
		v.At.Equal(w.At)
}

// String returns v for a failure message, without what may be long.
func (v Value) String() string {
	return fmt.Sprintf("{%.20q %d, %d bytes}", v.Text, v.Number, len(v.Bytes))
}

// number returns a small value that differs for each n.
func number(n int64) Value { return Value{Text: fmt.Sprintf("value %d", n), Number: n} }

// rich returns a value with all fields set, extremes included.
func rich() Value {
	return Value{
		Text:   "naïve ☃ \"quoted\" <b>\x00\n",
		Number: -1 << 63,
		Ratio:  1.0 / 3,
		Flag:   true,
		Bytes:  []byte{0, 1, 0x80, 0xff},
		List:   []string{"", "b", ""},
		Counts: map[string]int64{"": 0, "max": 1<<63 - 1},
		Inner:  &Value{Text: "inner", Inner: &Value{}},
		At:     time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC),
	}
}

// large returns a value of about n bytes that does not compress well.
func large(n int) Value {
	b := make([]byte, n)
	x := uint64(n)
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return Value{Text: "large", Bytes: b}
}
