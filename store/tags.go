package store

import "context"

// A Tagger is a Store that can invalidate all entries that carry a tag at once.
type Tagger interface {
	// InvalidateTags makes every entry unusable that was set before the call
	// with at least one of tags among its Tags.
	InvalidateTags(ctx context.Context, tags ...string) error
}

// InvalidateTags invalidates the entries of s that carry one of tags as
// [Tagger] describes it. Without the capability it returns an error that is
// errors.ErrUnsupported.
func InvalidateTags[T any](ctx context.Context, s Store[T], tags ...string) error {
	if t, ok := s.(Tagger); ok {
		return t.InvalidateTags(ctx, tags...)
	}
	return unsupported(s, "invalidate tags")
}
