// Package oneline joins errors into an error with a one-line text.
package oneline

import (
	"slices"
	"strings"
)

// Join is [errors.Join] with a text of one line that has each cause once: "a; b". It
// returns nil if every error is nil, and the error itself if all others are nil.
func Join(all ...error) error {
	var list []error
	for _, err := range all {
		if err != nil {
			list = append(list, err)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &joined{list}
}

type joined struct{ list []error }

func (j *joined) Error() string { return strings.Join(j.texts(nil), "; ") }

// texts appends the texts that are not in seen.
func (j *joined) texts(seen []string) []string {
	for _, err := range j.list {
		if inner, ok := err.(*joined); ok {
			seen = inner.texts(seen)
		} else if text := err.Error(); !slices.Contains(seen, text) {
			seen = append(seen, text)
		}
	}
	return seen
}

func (j *joined) Unwrap() []error { return j.list }
