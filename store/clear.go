package store

import "context"

// A Clearer is a Store that can drop all that it holds, and nothing that others
// hold: views that share a budget or a server with it keep what they have.
type Clearer interface {
	// Clear removes every entry that was set before it was called. Entries
	// that are set while it runs may or may not be removed. Counters are no
	// copies of anything and may stay.
	Clear(ctx context.Context) error
}

// Clear removes all entries of s as [Clearer] describes it. Without the
// capability it returns an error that is errors.ErrUnsupported.
func Clear[T any](ctx context.Context, s Store[T]) error {
	if c, ok := s.(Clearer); ok {
		return c.Clear(ctx)
	}
	return unsupported(s, "clear")
}
