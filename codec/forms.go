package codec

import (
	"bytes"
	"encoding/json"
	"net"
	"reflect"
)

// Types with several representations of one value, of which the codecs return one.
var (
	ipType  = reflect.TypeFor[net.IP]()          // an IPv4 address has 4 or 16 bytes
	rawType = reflect.TypeFor[json.RawMessage]() // JSON drops white space
)

// hasForms reports whether values of t have several representations.
func hasForms(t reflect.Type) bool { return t == timeType || t == ipType || t == rawType }

// holdsForms reports whether t has several representations, or may contain a type that has.
func holdsForms(t reflect.Type) bool {
	return hasForms(t) || isAny(t)
}

func isAny(t reflect.Type) bool { return isInterface(t) && t.NumMethod() == 0 }

func isInterface(t reflect.Type) bool { return t.Kind() == reflect.Interface }

// bytesInForm returns the decoded form of v, a net.IP or json.RawMessage, and whether it
// differs from v.
func (w *utcWalk) bytesInForm(v reflect.Value) (reflect.Value, bool) {
	b := v.Bytes()
	switch {
	case v.Type() == ipType && len(b) == net.IPv4len:
		return reflect.ValueOf(net.IP(b).To16()), true
	case v.Type() == rawType && w.compact:
		var short bytes.Buffer
		if json.Compact(&short, b) == nil && short.Len() < len(b) {
			return reflect.ValueOf(json.RawMessage(short.Bytes())), true
		}
	}
	return v, false
}
