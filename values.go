package strata

import (
	"errors"
	"log/slog"
	"reflect"

	"github.com/lokroom/strata/codec"
)

// setCodec sets the codec of the values, which verifies them if it is used.
func (c *Cache[K, V]) setCodec() error {
	o := &c.opts
	if o.Codec == nil {
		o.Codec = codec.Msgpack[V]()
	}
	c.encodes = c.backend.redis != nil || o.DecodeEach
	if !c.encodes || o.AllowLossy {
		return nil
	}
	if o.DecodeEach && reflect.TypeFor[V]().Kind() == reflect.Interface {
		return errors.New("DecodeEach needs a type that is no interface: what is decoded could be of another type; name the type, or set AllowLossy")
	}
	if err := codec.Check(o.Codec); err != nil {
		return err
	}
	every := uint64(0)
	if o.Verify {
		every = 1
	}
	verified, err := codec.Verify(o.Codec, &codec.VerifyOptions{Every: every, Report: c.reportValue})
	o.Codec = verified
	return err
}

// schema returns the schema part of the keys in Redis.
func (c *Cache[K, V]) schema() string {
	if c.opts.Schema != "" {
		return c.opts.Schema
	}
	return SchemaOf(c.opts.Codec)
}

// SchemaOf returns the schema part that the keys of a cache have by default, as
// codec.SchemaOf describes it. A nil c is codec.Msgpack.
func SchemaOf[V any](c codec.Codec[V]) string {
	if c == nil {
		c = codec.Msgpack[V]()
	}
	return codec.SchemaOf(c)
}

// reportValue notes an error of the codec, and logs the first.
func (c *Cache[K, V]) reportValue(err error) {
	b := c.backend
	if first := b.values.add(c.name, err); first && b.cfg.Logger != nil {
		b.cfg.Logger.Warn("strata: Redis or L1 does not keep a value of a cache, or keeps one that cannot be read",
			slog.String("cache", c.name), slog.Any("error", err))
	}
}
