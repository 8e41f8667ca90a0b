package strata

import (
	"fmt"
	"sync/atomic"

	"github.com/lokroom/strata/store"
)

// A Bypass says which uses of a cache are switched off: see [Backend.SetBypass].
type Bypass struct {
	// Reads: reads return no cached value and call the loader. What they load is cached,
	// unless Writes is set.
	Reads bool

	// Writes: nothing is cached. Reads return cached values, and what they load is not
	// cached. Set, SetFor, SetMany, SetIfNewer and CommitSet delete the values of their ids.
	// Add and Warm return an error that wraps store.ErrRefused.
	Writes bool
}

// switched is set once the process uses a bypass, so that other programs skip the look at the
// switches with each read.
var switched atomic.Bool

// switches is a Bypass that can be changed at run time.
type switches struct{ bits atomic.Uint32 }

const (
	noReads = 1 << iota
	noWrites
)

func (s *switches) set(off Bypass) {
	var bits uint32
	if off.Reads {
		bits |= noReads
	}
	if off.Writes {
		bits |= noWrites
	}
	switched.Store(true)
	s.bits.Store(bits)
}

// errWritesOff is the error of operations that would cache a value.
var errWritesOff = fmt.Errorf("%w: writes are switched off by SetBypass", store.ErrRefused)

// switchedOff returns what is switched off by SetBypass.
func (c *untyped[K]) switchedOff() uint32 {
	if !switched.Load() {
		return 0
	}
	return c.off.bits.Load() | c.backend.off.bits.Load()
}

// keepsNothing reports whether writes are switched off.
func (c *untyped[K]) keepsNothing() bool { return c.switchedOff()&noWrites != 0 }
