// Package integration has the tests that combine several packages on real Redis servers:
// the conformance of each pair of tiers, several processes, and failures during operations.
// They are not beside the packages that they test, so that importers of those packages do
// not need the checksums of all dependencies.
package integration
