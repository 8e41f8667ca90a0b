package strata

import (
	"fmt"
	"log/slog"
	"reflect"

	"github.com/lokroom/strata/codec"
)

// setCodec sets the codec of the values, nil for the default, with verification if the cache
// encodes values, and the schema.
func setCodec[K comparable, V any](c *untyped[K], inner codec.Codec[V]) error {
	o := &c.opts
	if inner == nil {
		inner = codec.Msgpack[V]()
	}
	if o.Schema == "" {
		o.Schema = codec.SchemaOf(inner)
	}
	o.Codec = untypedCodec[V]{inner}
	c.encodes = c.backend.l2.exists() || o.DecodeEach
	if !c.encodes || o.AllowLossy {
		return nil
	}
	if o.DecodeEach && c.values.Kind() == reflect.Interface {
		return fmt.Errorf("DecodeEach requires a concrete type: a decoded %v could have another type; use a concrete type, or set AllowLossy", c.values)
	}
	if err := codec.Check(inner); err != nil {
		return err
	}
	every := uint64(0)
	if o.Verify {
		every = 1
	}
	verified, err := codec.Verify(inner, &codec.VerifyOptions{Every: every, Report: c.reportValue})
	o.Codec = untypedCodec[V]{verified}
	return err
}

// SchemaOf returns the default schema part of the keys of a cache: see codec.SchemaOf. A
// nil c is codec.Msgpack.
func SchemaOf[V any](c codec.Codec[V]) string {
	if c == nil {
		c = codec.Msgpack[V]()
	}
	return codec.SchemaOf(c)
}

// reportValue counts an error of the codec, and logs the first one.
func (c *untyped[K]) reportValue(err error) {
	b := c.backend
	if first := b.values.add(c.name, err); first && b.cfg.Logger != nil {
		b.cfg.Logger.Warn("strata: a value cannot be encoded, or cannot be decoded from the cache",
			slog.String("cache", c.name), slog.Any("error", err))
	}
}
