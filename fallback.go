package strata

import (
	"github.com/lokroom/strata/internal/flight"
	"github.com/lokroom/strata/internal/oneline"
)

// lastResort returns the value of Options.Default for a read of id that failed with err, or the
// error to return.
func (c *untyped[K]) lastResort(id K, err error) (v any, failed error) {
	var panicked error
	ok := false
	func() {
		defer flight.Catch("Options.Default", &panicked)
		v, ok = c.opts.Default(id, err)
	}()
	switch {
	case panicked != nil:
		return v, c.failed("get", oneline.Join(err, panicked))
	case !ok:
		return v, err
	}
	return v, nil
}
