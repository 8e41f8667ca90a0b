package strata

import (
	"errors"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/flight"
)

// out returns v as the caller receives it, or err. Get calls it only if necessary: each
// call copies v.
func (c *untyped[K]) out(v any, err error) (any, error) {
	if c.clone == nil || err != nil {
		return v, err
	}
	return c.clone(v)
}

// cloner returns Options.Clone with panics returned as errors, or nil if there is none.
func (c *untyped[K]) cloner() func(any) (any, error) {
	clone := c.opts.Clone
	if clone == nil {
		return nil
	}
	call := func(v any) (own any, err error) {
		defer flight.Catch("Options.Clone", &err)
		return clone(v), nil
	}
	return func(v any) (any, error) {
		own, err := call(v)
		if err != nil {
			err = c.failed("clone", err)
		}
		return own, err
	}
}

// in returns v, a value passed by a caller, as it may stay in memory. With Redis, v is
// encoded before the call returns.
func (c *untyped[K]) in(v any) any {
	if c.opts.Clone == nil || c.backend.l2.exists() {
		return v
	}
	return c.opts.Clone(v)
}

// lent returns v as a function in Options receives it: copied as for a caller.
func (c *untyped[K]) lent(v any) (any, error) {
	if copies := copies(&c.opts); copies != nil {
		return copies(v)
	}
	return c.out(v, nil)
}

// copies returns a function that copies a value for each caller of a shared load, with
// DecodeEach; otherwise nil. A value that the codec cannot encode is shared, because only
// the loaded value is correct.
func copies[K comparable](o *Options[K, any]) func(any) (any, error) {
	if !o.DecodeEach {
		return nil
	}
	c := o.Codec
	return func(v any) (any, error) {
		copied, err := recoded(c, v)
		if err != nil {
			return v, nil
		}
		return copied, nil
	}
}

// recoded encodes v with c and returns the decoded copy.
func recoded(c codec.Codec[any], v any) (copied any, err error) {
	defer flight.Catch("Options.Codec", &err)
	b, err := codec.AppendFor(c, nil, "", v)
	if err != nil {
		return copied, err
	}
	return codec.DecodeFor(c, "", b)
}

// isolation returns an error if both Clone and DecodeEach are set.
func (o *Options[K, V]) isolation() error {
	if o.Clone != nil && o.DecodeEach {
		return errors.New("options Clone and DecodeEach are mutually exclusive")
	}
	return nil
}
