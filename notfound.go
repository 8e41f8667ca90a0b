package strata

import (
	"errors"
	"slices"

	"github.com/lokroom/strata/store"
)

// sourceError returns err, of a loader, or store.ErrNotFound if Config.NotFound or
// Config.IsNotFound says that err means that. It does so for each error in a ManyError.
func (c *untyped[K]) sourceError(err error) error {
	if err == nil || c.backend.cfg.NotFound == nil && c.backend.cfg.IsNotFound == nil {
		return err
	}
	many := store.AsManyError[K](err)
	if many == nil {
		return c.backend.cfg.notFound(err)
	}
	errs := make(map[K]error, len(many.Errors))
	for id, err := range many.Errors {
		errs[id] = c.backend.cfg.notFound(err)
	}
	return store.NewManyError(errs)
}

func (c *Config) notFound(err error) error {
	is := c.IsNotFound != nil && c.IsNotFound(err) ||
		slices.ContainsFunc(c.NotFound, func(target error) bool { return errors.Is(err, target) })
	if is {
		return store.ErrNotFound
	}
	return err
}
