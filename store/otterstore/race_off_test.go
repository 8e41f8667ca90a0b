//go:build !race

package otterstore_test

const raceEnabled = false
