//go:build !next

package source

// Euros is an amount of money. "go build -tags next" builds the next release, which has fractions:
// "make demo" deploys it.
type Euros int
