package codec

import (
	"bytes"
	"reflect"
)

// replaced is what encoding/json writes for bytes that are not UTF-8. It writes U+FFFD
// itself unescaped.
var replaced = []byte(`\ufffd`)

// textLost describes why the text of v does not round-trip through out, its encoding, or
// returns "". It compares values only if out contains replaced: raw JSON and methods may
// write that escape for U+FFFD.
func (c *jsonCodec[T]) textLost(out []byte, v *T) string {
	if !bytes.Contains(out, replaced) {
		return ""
	}
	back, err := c.Decode(out)
	if err != nil {
		return "" // readers get ErrCorrupt, not a different value
	}
	d := difference{}
	where := d.between(reflect.ValueOf(v).Elem(), reflect.ValueOf(&back).Elem(), nameOf[T]())
	if where == "" {
		return ""
	}
	return where + ": json would store text that is not UTF-8 as U+FFFD; use codec.Msgpack or a []byte"
}
