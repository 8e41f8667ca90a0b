//go:build next

package source

// Euros is an amount of money.
type Euros float64
