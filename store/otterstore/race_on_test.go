//go:build race

package otterstore_test

// The race detector allocates, and slows everything down.
const raceEnabled = true
