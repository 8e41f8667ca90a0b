// Package mutant holds the switches with which tests take a fence away, to see
// that the suite notices. Nothing but tests sets them.
package mutant

import "sync/atomic"

// NoGuard makes layered keep in L1 what was overtaken by an invalidation while
// it was on its way.
var NoGuard atomic.Bool
