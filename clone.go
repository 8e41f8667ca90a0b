package strata

import (
	"errors"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/flight"
)

// out returns v as a caller gets it, unless there is an error. Get calls it only if there
// is something to do: each call copies v.
func (c *Cache[K, V]) out(v V, err error) (V, error) {
	if c.clone == nil || err != nil {
		return v, err
	}
	return c.clone(v)
}

// cloner returns Options.Clone, of which a panic is an error; nil if there is none.
func (c *Cache[K, V]) cloner() func(V) (V, error) {
	clone := c.opts.Clone
	if clone == nil {
		return nil
	}
	call := func(v V) (own V, err error) {
		defer flight.Catch("Options.Clone", &err)
		return clone(v), nil
	}
	return func(v V) (V, error) {
		own, err := call(v)
		if err != nil {
			err = c.failed("clone", err)
		}
		return own, err
	}
}

// in returns v, which a caller has passed, as it may stay in memory. What goes to Redis
// has been encoded when the caller goes on.
func (c *Cache[K, V]) in(v V) V {
	if c.opts.Clone == nil || c.backend.redis != nil {
		return v
	}
	return c.opts.Clone(v)
}

// lent returns v as a function of the options gets it, which is not to be trusted more
// than a caller.
func (c *Cache[K, V]) lent(v V) (V, error) {
	if copies := c.opts.copies(); copies != nil {
		return copies(v)
	}
	return c.out(v, nil)
}

// copies returns how callers who share a load are given values of their own with
// DecodeEach; else nil. A value that the codec does not carry is shared: it is what the
// loader returned, and no other answer would be right.
func (o *Options[K, V]) copies() func(V) (V, error) {
	if !o.DecodeEach {
		return nil
	}
	c := o.Codec
	return func(v V) (V, error) {
		copied, err := recoded(c, v)
		if err != nil {
			return v, nil
		}
		return copied, nil
	}
}

// recoded returns what c reads from its encoding of v.
func recoded[V any](c codec.Codec[V], v V) (copied V, err error) {
	defer flight.Catch("Options.Codec", &err)
	b, err := codec.AppendFor(c, nil, "", v)
	if err != nil {
		return copied, err
	}
	return codec.DecodeFor(c, "", b)
}

// isolation returns what is wrong with Clone and DecodeEach.
func (o *Options[K, V]) isolation() error {
	if o.Clone != nil && o.DecodeEach {
		return errors.New("Options have both Clone and DecodeEach")
	}
	return nil
}
