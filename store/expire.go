package store

import (
	"context"
	"errors"
	"time"
)

// An Expirer is a Store that can report and change the life of an entry, or of a
// counter, without moving its value.
type Expirer interface {
	// TTL returns how long the entry has left to its hard expiry, Forever if
	// it has none, or ErrNotFound. Absent entries count as entries here.
	TTL(ctx context.Context, key string) (time.Duration, error)

	// Expire sets the time left to the hard expiry, the soft one stays as far
	// before it as it was. Forever removes the expiry, a ttl of zero or less
	// the entry. ErrNotFound if there is none.
	Expire(ctx context.Context, key string, ttl time.Duration) error

	// Exists reports whether there is a value or a counter under key; an
	// absent entry is none.
	Exists(ctx context.Context, key string) (bool, error)
}

// TTL returns the time that the entry under key has left, as [Expirer]
// describes it. Without the capability it reads the entry.
func TTL[T any](ctx context.Context, s Store[T], key string) (time.Duration, error) {
	if x, ok := s.(Expirer); ok {
		return x.TTL(ctx, key)
	}
	e, err := s.Get(ctx, key)
	if err != nil && !e.Absent {
		return 0, err
	}
	return e.ExpiresAt.Until(), nil
}

// Expire changes the time that the entry under key has left, as [Expirer]
// describes it. Without the capability it returns an error that is
// errors.ErrUnsupported: reading and writing back could undo a Set in between.
func Expire[T any](ctx context.Context, s Store[T], key string, ttl time.Duration) error {
	if x, ok := s.(Expirer); ok {
		return x.Expire(ctx, key, ttl)
	}
	return unsupported(s, "expire")
}

// Exists reports whether there is a value under key, as [Expirer] describes it.
// Without the capability it reads the entry.
func Exists[T any](ctx context.Context, s Store[T], key string) (bool, error) {
	if x, ok := s.(Expirer); ok {
		return x.Exists(ctx, key)
	}
	switch _, err := s.Get(ctx, key); {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	default:
		return false, err
	}
}
