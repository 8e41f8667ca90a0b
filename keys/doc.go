// Package keys makes the strings that entries are stored under, and the patterns
// that find them again.
package keys
