//go:build !race

package ratelimit_test

// raceEnabled says that allocations cannot be counted.
const raceEnabled = false
