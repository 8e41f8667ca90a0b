package store

// A Hearer is a [Watcher] that knows whether it would hear of a change.
type Hearer interface {
	Watcher

	// Hear calls fn with false when the store has not heard from its backend
	// for so long that changes may have gone untold for longer than it allows,
	// and with true when it has heard again: then all changes that came before
	// have been told. fn is called once before Hear returns, with the state at
	// the time, and not after stop has returned. It must return quickly and
	// must neither block nor call the store.
	Hear(fn func(hears bool)) (stop func())
}
