package redisstore

import (
	"fmt"
	"strings"

	"github.com/lokroom/strata/store"
)

// checkPrefix returns the error of a prefix with which the keys of entries could be those of
// tags, here or in another program.
func (s *Store[T]) checkPrefix() error {
	if own := s.tags.prefix; !strings.HasPrefix(s.prefix, "!") && (own == "" || !strings.HasPrefix(s.prefix, own)) {
		return nil
	}
	return fmt.Errorf("%w: the prefix %q is one of keys of tags: use one that begins neither with \"!\" nor with the prefix of the Tags", store.ErrInvalidKey, s.prefix)
}
