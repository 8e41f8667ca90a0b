package codec

import (
	"bytes"
	"reflect"
)

// replaced is what encoding/json writes for bytes that are not UTF-8. It writes U+FFFD itself
// as it is.
var replaced = []byte(`\ufffd`)

// textLost returns why the text of v does not come back from out, its encoding, or "".
// Values are compared only where out has what stands for text that is not UTF-8: raw JSON
// and methods may write that escape for U+FFFD.
func (c *JSONCodec[T]) textLost(out []byte, v *T) string {
	if !bytes.Contains(out, replaced) {
		return ""
	}
	back, err := c.Decode(out)
	if err != nil {
		return "" // readers get ErrCorrupt, not another value
	}
	d := difference{}
	where := d.between(reflect.ValueOf(v).Elem(), reflect.ValueOf(&back).Elem(), nameOf[T]())
	if where == "" {
		return ""
	}
	return where + ": json would store text that is not UTF-8 as U+FFFD; use codec.Msgpack or a []byte"
}
