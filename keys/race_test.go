//go:build race

package keys_test

// The race detector makes values escape that otherwise do not.
const raceEnabled = true
