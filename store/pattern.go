package store

import "context"

// A PatternDeleter is a Store that can remove all entries under keys that match a pattern.
//
// Patterns are globs over the bytes of the key: `*` matches any bytes, `?` one,
// `[ab]`, `[a-z]` and `[^a]` one of a set, and `\` takes the next byte as it is.
// Package keys has the one implementation of that grammar (Match) and quotes
// what should be taken literally (Quote).
type PatternDeleter interface {
	// DeletePattern removes the entries and counters under keys that match, and
	// returns how many there were, as far as the store knows. Entries
	// that are set while it runs may or may not be removed.
	DeletePattern(ctx context.Context, pattern string) (int, error)
}

// DeletePattern removes what matches pattern as [PatternDeleter] describes it.
// Without the capability it returns an error that is errors.ErrUnsupported.
func DeletePattern[T any](ctx context.Context, s Store[T], pattern string) (int, error) {
	if d, ok := s.(PatternDeleter); ok {
		return d.DeletePattern(ctx, pattern)
	}
	return 0, unsupported(s, "delete pattern")
}
