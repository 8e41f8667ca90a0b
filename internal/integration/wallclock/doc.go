// Package wallclock holds the tests that set the wall clock while values are kept, and
// find that nothing depends on it. They need a package time whose wall clock can be
// set: TestWallClock of internal/integration builds them with one.
package wallclock
