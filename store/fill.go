package store

import "context"

// A Filler is a [Watcher] that can keep a loaded value without losing sight of it.
//
// Set tells every watcher, the caller's own included, because a copy that was
// read before is now wrong. A tier in front that has just loaded the value and
// wants to keep the very copy that it writes uses Fill instead.
type Filler[T any] interface {
	// Fill keeps e under key like Set. It returns the entry as it was kept,
	// and watched: whether a change of it from now on will be told as the
	// Watcher guarantees. If watched is false, another write came in between,
	// or the store cannot tell, and the caller must not keep its copy unless
	// [Rechecker].Recheck confirms it.
	Fill(ctx context.Context, key string, e Entry[T]) (kept Entry[T], watched bool, err error)
}
