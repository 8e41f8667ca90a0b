// Package integration holds the tests that put rooms together on real Redis
// servers: the conformance of every pair of tiers, several processes, and
// failures in the middle of the work. They are here and not beside the packages
// that they test so that who imports one of those does not have to know the
// checksums of all.
package integration
