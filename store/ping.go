package store

import "context"

// A Pinger is a Store with a backend that can be asked whether it is there.
type Pinger interface {
	// Ping returns nil if the backend answered, else what kept it from it.
	Ping(ctx context.Context) error
}

// Ping asks the backend of s whether it is there. A store without the
// capability is in process and therefore there: Ping returns nil.
func Ping[T any](ctx context.Context, s Store[T]) error {
	if p, ok := s.(Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}
