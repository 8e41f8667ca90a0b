package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store/redisstore"
)

// decode returns the value in payload as something that json.Marshal takes, or as text.
func decode(name string, r *redisstore.Record, payload []byte) (any, error) {
	if r.Kind == redisstore.KindCounter {
		return json.Number(payload), nil
	}
	switch r.CodecID {
	case codec.IDSeal:
		if name != "hex" {
			return nil, errors.New("the value is sealed: only the service has the key")
		}
	case codec.IDCompress:
		c, err := codec.Compress(codec.Bytes(), nil)
		if err != nil {
			return nil, err
		}
		if payload, err = c.Decode(payload); err != nil {
			return nil, err
		}
	}
	if name == "auto" {
		name = guess(r.CodecID, payload)
	}
	switch name {
	case "msgpack":
		v, err := codec.Msgpack[any]().Decode(payload)
		return plain(v), err
	case "json":
		if !json.Valid(payload) {
			return nil, errors.New("the value is no JSON")
		}
		return json.RawMessage(payload), nil
	case "text":
		return string(payload), nil
	case "hex":
		return hex.EncodeToString(payload), nil
	}
	return nil, usagef("--codec %q: want auto, msgpack, json, text or hex", name)
}

// guess returns the codec of a payload: what the record says, or what reads it.
func guess(id byte, payload []byte) string {
	switch id {
	case codec.IDMsgpack:
		return "msgpack"
	case codec.IDJSON:
		return "json"
	case codec.IDString:
		return "text"
	}
	if json.Valid(payload) {
		return "json"
	}
	if _, err := codec.Msgpack[any]().Decode(payload); err == nil {
		return "msgpack"
	}
	if utf8.Valid(payload) {
		return "text"
	}
	return "hex"
}

// plain turns maps with keys of any type into those of JSON.
func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	}
	return v
}

// printValue prints a value: JSON as such, text as it is.
func (t *tool) printValue(v any) error {
	if text, ok := v.(string); ok && !t.asJSON {
		_, err := fmt.Fprintln(t.out, text)
		return err
	}
	if t.asJSON {
		return t.json(v)
	}
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
