//go:build race

package codec_test

// raceEnabled says that allocations cannot be counted: the race detector makes
// pools drop what they are given.
const raceEnabled = true
