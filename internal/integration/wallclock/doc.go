// Package wallclock has the tests that set the wall clock while values are cached, and
// check that nothing depends on it. They need a package time with a settable wall
// clock: TestWallClock of internal/integration builds them with one.
package wallclock
