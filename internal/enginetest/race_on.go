//go:build race

package enginetest

// The race detector allocates, and slows everything down.
const raceEnabled = true
