//go:build !race

package ristrettostore_test

const raceEnabled = false
