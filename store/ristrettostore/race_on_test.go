//go:build race

package ristrettostore_test

// The race detector allocates, and slows everything down.
const raceEnabled = true
