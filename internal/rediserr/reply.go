// Package rediserr says what the errors of Redis, and of connections to it, mean to those
// who call Strata.
package rediserr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lokroom/strata/store"
)

// Reply returns what to report for err, an error reply with this text. It goes by the
// first word, which rueidis leaves out where it is ERR.
func Reply(text string, err error) error {
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "WRONGTYPE":
		return fmt.Errorf("%w: %w", store.ErrWrongType, err)
	case "OOM": // maxmemory, and nothing that may be evicted
		return fmt.Errorf("%w: %w", store.ErrTooLarge, err)
	case "NOAUTH", "WRONGPASS", "NOPERM", "DENIED": // the last in protected mode
		return fmt.Errorf("%w: %w", store.ErrAuth, err)
	case "LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "BUSY", "MOVED", "ASK":
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	switch {
	case strings.Contains(text, "max number of clients"):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case strings.HasPrefix(text, "AUTH"), strings.HasPrefix(text, "invalid password"):
		return fmt.Errorf("%w: %w", store.ErrAuth, err)
	case strings.HasPrefix(text, "value is not an integer"):
		return fmt.Errorf("%w: %w", store.ErrWrongType, err)
	case strings.HasPrefix(text, "unknown command"):
		// The rest quotes the arguments, and the value is one of them.
		text, _, _ = strings.Cut(text, ", with args")
		return errors.New(text)
	}
	return err
}
