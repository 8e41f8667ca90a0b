package layered

import (
	"context"

	"github.com/lokroom/strata/internal/flight"
)

// result waits for the result of c, as [flight.Call.Wait] does. With Options.Copy each of
// several who wait gets a separate value. An error of a loader is returned as it is. One
// that stands in its place, because the loader panicked or did not return, names the cache.
func (s *Store[T]) result(ctx context.Context, c *call[T]) (Found[T], error) {
	f, err := c.Wait(ctx)
	switch {
	case inPlaceOfLoader(err):
		return f, s.failed("get", c.Key(), err)
	case err != nil || c.Alone():
		return f, err
	}
	return s.own(c.Key(), f)
}

// inPlaceOfLoader reports whether err is not an error that a loader or a tier returned, but
// the reason why there is none.
func inPlaceOfLoader(err error) bool {
	switch err.(type) {
	case *flight.PanicError, *flight.ContextError:
		return true
	}
	return err == flight.ErrGoexit
}

// own gives f a value that nobody else has, if Options.Copy can.
func (s *Store[T]) own(key string, f Found[T]) (Found[T], error) {
	if s.opts.Copy == nil {
		return f, nil
	}
	var err error
	if f.Value, err = s.copy(f.Value); err != nil {
		err = s.failed("copy", key, err)
	}
	return f, err
}

func (s *Store[T]) copy(v T) (own T, err error) {
	defer flight.Catch("Options.Copy", &err)
	return s.opts.Copy(v)
}
