// Package rediserr maps errors of Redis, and of connections to it, to errors of Strata.
package rediserr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lokroom/strata/store"
)

// Reply returns the error to report for err, an error reply with this text. It uses the
// first word, which rueidis omits if it is ERR.
func Reply(text string, err error) error {
	if command, denied := Denied(text); command != "" {
		return fmt.Errorf("%w: %w: grant +%s; %s", store.ErrAuth, err, command, SeeRights)
	} else if denied {
		return fmt.Errorf("%w: %w: grant what is missing; %s", store.ErrAuth, err, SeeRights)
	}
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "WRONGTYPE":
		return fmt.Errorf("%w: %w", store.ErrWrongType, err)
	case "OOM": // maxmemory, and nothing to evict
		return fmt.Errorf("%w: %w", store.ErrTooLarge, err)
	case "NOAUTH", "WRONGPASS", "DENIED": // the last in protected mode
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
		// The rest quotes the arguments, including the value.
		text, _, _ = strings.Cut(text, ", with args")
		return errors.New(text)
	}
	return err
}

// SeeRights refers to the list of rights that the Redis user needs.
const SeeRights = "docs/configuration.md has the whole ACL line"

// Denied reports whether text, an error reply, means that the user lacks the right to a
// command or a key, also inside a script. command is the command in the form of ACL SETUSER
// if the reply names it. It is empty if a key is the reason or the reply does not name it.
func Denied(text string) (command string, denied bool) {
	inScript := strings.Contains(text, "ACL failure in script") || strings.Contains(text, "The user executing the script can't")
	if !inScript && !strings.HasPrefix(text, "NOPERM") {
		return "", false
	}
	_, rest, _ := strings.Cut(text, "to run the '")
	command, _, _ = strings.Cut(rest, "'")
	return strings.ToLower(command), true
}
