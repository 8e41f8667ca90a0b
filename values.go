package strata

import "github.com/lokroom/strata/codec"

// setCodec sets the codec of the values, and whether it is used.
func (c *Cache[K, V]) setCodec() {
	if c.opts.Codec == nil {
		c.opts.Codec = codec.Msgpack[V]()
	}
	c.encodes = c.backend.redis != nil || c.opts.DecodeEach
}

// checkType returns what the codec would not carry of V, which values from L2 would lack.
func (c *Cache[K, V]) checkType() error {
	if !c.encodes || c.opts.AllowLossy {
		return nil
	}
	return codec.Check(c.opts.Codec)
}
